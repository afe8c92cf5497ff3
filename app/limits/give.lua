-- Settles calls that have ended. KEYS are all marks and counters named below, ARGV[1] is a JSON list of settlements:
--   {mark: number of its key, how: "give" or "charge", lease, changes: [[number of its key, kind, limit, period, delta, at]]}
-- A settlement is carried out once, however often it is asked for: one that gives takes its mark away, one that charges
-- (for what was admitted while this server was gone) leaves one. Returns how many were carried out.

local done = 0
for _, settlement in ipairs(cjson.decode(ARGV[1])) do
  local mark, fresh = KEYS[settlement.mark], false
  if settlement.how == 'give' then
    fresh = redis.call('DEL', mark) == 1
  else
    fresh = redis.call('SET', mark, 1, 'NX', 'EX', 3600)
  end
  if fresh then
    done = done + 1
    for _, change in ipairs(settlement.changes) do
      local key, kind, limit, period, delta, at = KEYS[change[1]], change[2], change[3], change[4], change[5], change[6]
      if kind == 'slots' then
        redis.call('ZREM', key, settlement.lease)
      elseif kind == 'bucket' or window_start(period, at) == window_start(period, now) then
        set_used(key, kind, limit, period, math.max(0, used_of(key, kind, limit, period) + delta))
      end
    end
  end
end
return done
