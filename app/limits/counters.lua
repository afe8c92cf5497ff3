-- What take.lua and give.lua share: the state of one counter, as app/limits/counters.py describes it. A bucket and a
-- window are kept as "used at": how much was used, and when that was so (for a window: when it began).

local BUCKET_SECONDS = {minute = 60, hour = 3600}
local DAY = 86400

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

local function reset_seconds(kind, limit, period, used)
  if kind == 'slots' then return 0 end
  if kind == 'window' then return window_end(period, now) - now end
  return used * BUCKET_SECONDS[period] / limit
end

local function set_used(key, kind, limit, period, used)
  local at = kind == 'window' and window_start(period, now) or now
  local seconds = math.ceil(reset_seconds(kind, limit, period, used)) + 1
  redis.call('SET', key, string.format('%.17g %.17g', used, at), 'EX', string.format('%d', seconds))
end
