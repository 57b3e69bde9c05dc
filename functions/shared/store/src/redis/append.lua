-- Puts samples into the inbox of a series. Reads all before its first write: a failed script does not roll back.
--
-- KEYS: inbox, window, anomalies, memory, index of series, index of pending, totals, config,
--       names of the indexes of series
-- ARGV: name, name with tenant, seconds to live, inbox length max, inbox read max, known version,
--       '1' where the series may be new, then (time or '', value) each
-- Answers: {class...}, state or false; of a series that is new and may not be: 'too_many_series' only, for each
local name, pending_name, ttl_s = ARGV[1], ARGV[2], tonumber(ARGV[3])
local inbox_len_max, inbox_read_max = tonumber(ARGV[4]), tonumber(ARGV[5])

local inbox_len = redis.call('ZCARD', inbox)
local window_len = redis.call('ZCARD', window)
if window_len == 0 and version ~= 0 then
  floor = cursor -- The window was lost: what was judged cannot be told from what is new.
end
if version == 0 and window_len >= 128 then
  -- The memory was lost: a full window was trimmed, at the latest just below its oldest sample (see detector::judge).
  floor = tonumber(redis.call('ZRANGE', window, 0, 0, 'WITHSCORES')[2]) - 1
end
-- Nothing newer is in the window; without a memory that is not known.
local newest = version ~= 0 and cursor or math.huge

if ARGV[7] ~= '1' and #ARGV > 7 and version == 0 and inbox_len + window_len == 0
  and not redis.call('ZSCORE', KEYS[5], name) then
  local refused = {}
  for i = 8, #ARGV, 2 do
    refused[#refused + 1] = { 'too_many_series' }
  end
  return { refused, false }
end

local added = {} -- time -> value, of this call
local fresh = {} -- score, member, ...
local counts = {}
local classes = {}

-- The text of the value at a time, and the window's member where it is judged.
local function value_at(at)
  if added[at] then
    return added[at]
  end
  if inbox_len > 0 then
    local waiting = redis.call('ZRANGEBYSCORE', inbox, at, at)[1]
    if waiting then
      return string.match(waiting, ':(.*)$')
    end
  end
  if window_len > 0 and tonumber(at) <= newest then
    local judged = redis.call('ZRANGEBYSCORE', window, at, at)[1]
    if judged then
      return string.match(judged, '^%d+:([^:]*)'), judged
    end
  end
end

local free_us = math.max(now_us, floor + 1) -- At or below the floor no time is free.
local function first_free()
  while value_at(integer(free_us)) do
    free_us = free_us + 1
  end
  return integer(free_us)
end

local function count(class)
  counts[class] = (counts[class] or 0) + 1
end

for i = 8, #ARGV, 2 do
  local at, value = ARGV[i], ARGV[i + 1]
  if inbox_len + #fresh / 2 >= inbox_len_max then
    count('full')
    classes[#classes + 1] = { 'full' }
  else
    if at == '' then
      at = first_free()
    end
    if tonumber(at) <= floor then
      count('too_old')
      classes[#classes + 1] = { 'too_old' }
    else
      local stored, judged = value_at(at)
      if not stored then
        added[at] = value
        fresh[#fresh + 1] = at
        fresh[#fresh + 1] = at .. ':' .. value
        count('accepted')
        classes[#classes + 1] = { 'fresh', at }
      elseif stored == value then
        count('duplicate')
        local anomaly = judged and redis.call('ZRANGEBYSCORE', anomalies, at, at)[1]
        classes[#classes + 1] = { 'duplicate', at, anomaly or judged or '' }
      else
        count('conflict')
        classes[#classes + 1] = { 'conflict', stored }
      end
    end
  end
end

if #fresh > 0 then
  redis.call('ZADD', inbox, unpack(fresh))
  if redis.call('ZADD', KEYS[5], now_us, name) == 1 then
    redis.call('SADD', KEYS[9], KEYS[5])
  end
  redis.call('ZADD', KEYS[6], 'NX', now_us, pending_name)
  expire(ttl_s)
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', '(' .. integer(now_us - ttl_s * 1000000))
end
for class, n in pairs(counts) do
  redis.call('HINCRBY', KEYS[7], 'samples ' .. class, n)
end

if inbox_len + #fresh == 0 and #ARGV < 8 then
  redis.call('ZREM', KEYS[6], pending_name) -- The inbox was lost.
end
if inbox_len + #fresh > 0 then
  return { classes, state(inbox_read_max, ARGV[6]) }
end
return { classes, false }
