-- One round trip: settles calls that have ended, then judges calls that want to begin, in order, each of them whole.
--
-- KEYS are all marks and counters that are named, ARGV[1] is a JSON object; keys are told by their number in KEYS:
--   settlements: [{mark: key, how, lease, changes: [[key, kind, limit, period, change, amount, level, at], ...]}, ...]
--   renewals:    [[key, lease, ...], ...]: slots that are still held
--   takes:       [{mark: key, lease, demands: [[key, kind, limit, period, amount], ...]}, ...]
--   lease_seconds, mark_seconds: for how long slots are held, and a reservation can be given back
-- Returns the time, then for each take a list: the number of the refused demand (0: none; -1: it was taken back before it
-- came), and how much of each counter is used. Numbers are texts, since Redis would cut fractions off.
--
-- A settlement is carried out once, however often it is asked for, by its mark. `give` takes the mark of its reservation
-- away. `undo` does so too, where nobody knows whether the reservation was made; where it was not, it leaves a mark that
-- keeps it from being made later. `charge`, for what was admitted while this server was gone, leaves a mark of its own.
-- `raise` and `lower` have none: so much of a counter is used at least, or at most, however often that is said.
-- A bucket and a window are kept as
-- "used at": how much was used, and when that was so (for a window: when it began); see counters.py.

local BUCKET_SECONDS = {minute = 60, hour = 3600}
local DAY = 86400
local MOST_OWED = 3
local BOUNDS = {raise = true, lower = true}
local LONGEST_SECONDS = 400 * DAY

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- The first moment of the UTC month (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March).
local function month_start(at)
  local z = math.floor(at / DAY) + 719468
  local doe = z % 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local month = math.floor((5 * doy + 2) / 153)
  return (z - 719468 - doy + math.floor((153 * month + 2) / 5)) * DAY
end

local function window_start(period, at)
  if period == 'month' then return month_start(at) end
  return math.floor(at / DAY) * DAY
end

local function window_end(period, at)
  if period == 'month' then return month_start(month_start(at) + 32 * DAY) end
  return window_start(period, at) + DAY
end

local function used_of(key, kind, limit, period)
  if kind == 'slots' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    return redis.call('ZCARD', key)
  end
  local used, at = string.match(redis.call('GET', key) or '0 0', '^(%S+) (%S+)$')
  used, at = tonumber(used), tonumber(at)
  if kind == 'window' then
    if at == window_start(period, now) then return used end
    return 0
  end
  return math.max(0, used - math.max(0, now - at) * limit / BUCKET_SECONDS[period])
end

local function set_used(key, kind, limit, period, used)
  local at, seconds = now, 0
  if kind == 'window' then
    at, seconds = window_start(period, now), window_end(period, now) - now
  else
    seconds = used * BUCKET_SECONDS[period] / limit
  end
  seconds = math.ceil(math.min(seconds, LONGEST_SECONDS)) + 1
  redis.call('SET', key, string.format('%.17g %.17g', used, at), 'EX', string.format('%d', seconds))
end

local function settled(kind, limit, period, used, change, amount, level, at)
  if kind == 'window' then return math.max(used + change, 0) end
  local left = level - (now - at) * limit / BUCKET_SECONDS[period]
  change = math.max(change, -math.min(math.max(left, 0), amount))
  return math.min(math.max(used + change, 0), math.max(used, MOST_OWED * limit))
end

local function is_fresh(mark, how)
  if BOUNDS[how] then return true end
  if how == 'charge' then return redis.call('SET', mark, 1, 'NX', 'EX', 3600) end
  if redis.call('DEL', mark) == 1 then return true end
  if how == 'undo' then redis.call('SET', mark, 1, 'EX', 3600) end
  return false
end

local function settle(settlement)
  if not is_fresh(KEYS[settlement.mark], settlement.how) then return end
  for _, change in ipairs(settlement.changes) do
    local name, kind, limit, period, delta, amount, level, at = unpack(change)
    local key = KEYS[name]
    if kind == 'slots' then
      redis.call('ZREM', key, settlement.lease)
    elseif kind == 'bucket' or BOUNDS[settlement.how] or window_start(period, at) == window_start(period, now) then
      local used = used_of(key, kind, limit, period)
      if settlement.how == 'raise' then
        used = math.max(used, math.min(delta, MOST_OWED * limit))
      elseif settlement.how == 'lower' then
        used = math.min(used, delta)
      else
        used = settled(kind, limit, period, used, delta, amount, level, at)
      end
      set_used(key, kind, limit, period, used)
    end
  end
end

local function hold(key, lease, lease_seconds)
  redis.call('ZADD', key, string.format('%.17g', now + lease_seconds), lease)
  redis.call('EXPIRE', key, string.format('%d', lease_seconds + 1))
end

local function take(wanted, lease_seconds, mark_seconds)
  local used, refused = {}, 0
  for i, demand in ipairs(wanted.demands) do
    local name, kind, limit, period, amount = unpack(demand)
    used[i] = used_of(KEYS[name], kind, limit, period)
    if refused == 0 and used[i] + amount > limit then refused = i end
  end
  if refused == 0 and not redis.call('SET', KEYS[wanted.mark], 1, 'NX', 'EX', string.format('%d', mark_seconds)) then
    refused = -1
  elseif refused == 0 then
    for i, demand in ipairs(wanted.demands) do
      local name, kind, limit, period, amount = unpack(demand)
      used[i] = used[i] + amount
      if kind == 'slots' then
        hold(KEYS[name], wanted.lease, lease_seconds)
      elseif amount > 0 then
        set_used(KEYS[name], kind, limit, period, used[i])
      end
    end
  end
  local told = {string.format('%d', refused)}
  for i = 1, #used do told[i + 1] = string.format('%.17g', used[i]) end
  return told
end

local asked = cjson.decode(ARGV[1])
for _, settlement in ipairs(asked.settlements) do settle(settlement) end
for _, renewal in ipairs(asked.renewals) do
  for i = 2, #renewal do hold(KEYS[renewal[1]], renewal[i], asked.lease_seconds) end
end
local told = {string.format('%.17g', now)}
for i, wanted in ipairs(asked.takes) do told[i + 1] = take(wanted, asked.lease_seconds, asked.mark_seconds) end
return told
