-- Stores what was judged, if the version, and the configuration, is still the one judged on; changes nothing otherwise.
--
-- A sample that the inbox has lost meanwhile is stored all the same: with the version unchanged nobody else judged it.
--
-- KEYS: inbox, window, anomalies, memory, index of series, index of pending, totals, config,
--       index of anomalous
-- ARGV: name, name with tenant, seconds to live, inbox read max, version judged on, memory, floor or '-1',
--       oldest anomaly kept, anomalies kept max, heat of the new anomalies or '', revision judged under,
--       number of totals, (field, n) each,
--       then (time, inbox member, window member, anomalies member or '') for each judged sample
-- Answers: the new version when stored, the state otherwise
local name, pending_name, ttl_s = ARGV[1], ARGV[2], tonumber(ARGV[3])
local floor_now, heat = tonumber(ARGV[7]), tonumber(ARGV[10])

-- Without its window the floor must rise to the cursor first, as for `append`.
local is_window_lost = version ~= 0 and floor_now < cursor and redis.call('EXISTS', window) == 0
if integer(version) ~= ARGV[5] or revision() ~= ARGV[11] or is_window_lost then
  redis.call('HINCRBY', KEYS[7], 'commit_conflicts', 1)
  return { false, state(tonumber(ARGV[4])) }
end

local next_version = version == 0 and now_us or version + 1
local judged_on = ARGV[6]
redis.call('SET', memory, string.sub(judged_on, 1, 8) .. struct.pack('<i8', next_version) .. string.sub(judged_on, 17))

local n_totals = tonumber(ARGV[12])
for i = 13, 12 + 2 * n_totals, 2 do
  redis.call('HINCRBY', KEYS[7], ARGV[i], ARGV[i + 1])
end

local left, judged, anomalous = {}, {}, {}
for i = 13 + 2 * n_totals, #ARGV, 4 do
  left[#left + 1] = ARGV[i + 1]
  if tonumber(ARGV[i]) > floor_now then
    judged[#judged + 1] = ARGV[i]
    judged[#judged + 1] = ARGV[i + 2]
  end
  if ARGV[i + 3] ~= '' then
    anomalous[#anomalous + 1] = ARGV[i]
    anomalous[#anomalous + 1] = ARGV[i + 3]
  end
end
if #left > 0 then
  redis.call('ZREM', inbox, unpack(left))
end
-- Trimmed before it grows, since a set that once outgrew the compact encoding never returns to it.
redis.call('ZREMRANGEBYSCORE', window, '-inf', floor_now)
if #judged > 0 then
  redis.call('ZADD', window, unpack(judged))
end
if #anomalous > 0 then
  redis.call('ZADD', anomalies, unpack(anomalous))
  redis.call('ZREMRANGEBYRANK', anomalies, 0, -tonumber(ARGV[9]) - 1)
  local before = tonumber(redis.call('ZSCORE', KEYS[9], name) or nil)
  if before then
    heat = math.max(before, heat) + math.log(1 + math.exp(-math.abs(before - heat)))
  end
  redis.call('ZADD', KEYS[9], heat, name)
  redis.call('ZREMRANGEBYRANK', KEYS[9], 0, -1001) -- Nobody asks for more, and series that expired stay in it.
end
if redis.call('ZREMRANGEBYSCORE', anomalies, '-inf', '(' .. ARGV[8]) > 0 and redis.call('EXISTS', anomalies) == 0 then
  redis.call('ZREM', KEYS[9], name)
end
if version == 0 then
  redis.call('ZADD', KEYS[5], 'NX', now_us, name) -- It was forgotten between append and commit.
end

if redis.call('EXISTS', inbox) == 0 then
  redis.call('ZREM', KEYS[6], pending_name)
end
expire(ttl_s)
return { integer(next_version), false }
