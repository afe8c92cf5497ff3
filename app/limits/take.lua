-- Meets all demands or none. KEYS[1] marks the reservation, KEYS[2..] are the counters.
-- ARGV: the lease, for how many seconds its slots are held, for how many the mark is; then kind, limit, amount and
-- period of each counter. Returns the refused counter's number (0: none), the time, and how much of each is used.

local lease, lease_seconds, mark_seconds = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local counts = #KEYS - 1
local used, refused = {}, 0

for i = 1, counts do
  local kind, limit, amount, period = unpack(ARGV, 4 * i, 4 * i + 3)
  used[i] = used_of(KEYS[i + 1], kind, tonumber(limit), period)
  if refused == 0 and used[i] + tonumber(amount) > tonumber(limit) then refused = i end
end

if refused == 0 then
  for i = 1, counts do
    local kind, limit, amount, period = unpack(ARGV, 4 * i, 4 * i + 3)
    used[i] = used[i] + tonumber(amount)
    if kind == 'slots' then
      redis.call('ZADD', KEYS[i + 1], string.format('%.17g', now + lease_seconds), lease)
      redis.call('EXPIRE', KEYS[i + 1], string.format('%d', lease_seconds + 1))
    elseif tonumber(amount) > 0 then
      set_used(KEYS[i + 1], kind, tonumber(limit), period, used[i])
    end
  end
  redis.call('SET', KEYS[1], 1, 'EX', mark_seconds)
end

local told = {refused, string.format('%.17g', now)}
for i = 1, counts do told[i + 2] = string.format('%.17g', used[i]) end
return told
