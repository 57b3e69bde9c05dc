-- Puts samples into the inbox of their series, or, of a series that is still as the caller judged it, stores what they
-- came to at once. Reads all of a series before its first write: a failed script does not roll back.
-- series.lua is put in front, and says what KEYS and ARGV hold.
--
-- Arguments of a series: name, name with tenant, known version, '1' where it may be new, number of samples,
--       then (time or '', value) each;
--       or, in the place of a number, 'judged', '1' where the receipt is to be noted, '1' or '0' for each sample without
--       and with a time, and what was judged
-- Answers: {class...}, state or false; of a series that is new and may not be: 'too_many_series' only, for each;
--       or the new version where all was stored at once

-- The samples of the arguments: times or '', and values.
local function samples_of(first)
  local times, values = {}, {}
  if ARGV[first + 4] ~= 'judged' then
    for i = first + 5, first + 4 + 2 * ARGV[first + 4], 2 do
      times[#times + 1] = ARGV[i]
      values[#values + 1] = ARGV[i + 1]
    end
    return times, values
  end
  local untimed = ARGV[first + 6]
  local _, _, samples, behind = parts_of(first + 7)
  for a = samples, behind - 1, 2 do
    local i = #times + 1
    times[i] = string.sub(untimed, i, i) == '1' and '' or ARGV[a]
    values[i] = string.match(ARGV[a + 1], '^[^:]*:([^:]*)')
  end
  return times, values
end

-- Whether the series may have been judged ahead: as it was known, or as one of which there is nothing, and that may be.
local function is_as_expected(name, first)
  if has_inbox or has_window ~= has_memory or has_window ~= (version ~= 0) then
    return false
  end
  return has_window or ARGV[first + 3] == '1' or redis.call('ZSCORE', series_index, name)
end

return each(function(i, first)
  open(i)
  local name, pending_name = ARGV[first], ARGV[first + 1]

  if ARGV[first + 4] == 'judged' and is_as_expected(name, first) and is_judged_on(first + 7) then
    local at = first + 7
    local next_version, is_new = store(name, pending_name, at)
    count('samples accepted', tonumber(ARGV[at + 8]))
    if not has_memory then
      note_receipt(name)
    elseif ARGV[first + 5] == '1' then
      note_receipt(name)
      drop_old_anomalies(name, at)
      is_new = is_new or is_expiry_due()
    end
    if is_new then
      expire()
    end
    return { next_version }
  end

  local inbox_len = has_inbox and redis.call('ZCARD', inbox) or 0
  local window_len = has_window and redis.call('ZCARD', window) or 0

  if window_len == 0 and version ~= 0 then
    floor = cursor -- The window was lost: what was judged cannot be told from what is new.
  end
  if version == 0 and window_len >= 128 then
    -- The memory was lost: a full window was trimmed, at the latest just below its oldest sample (see detector::judge).
    floor = tonumber(redis.call('ZRANGE', window, 0, 0, 'WITHSCORES')[2]) - 1
  end
  -- Nothing newer is in the window; without a memory that is not known.
  local newest = version ~= 0 and cursor or math.huge

  local times, values = samples_of(first)
  if ARGV[first + 3] ~= '1' and #times > 0 and version == 0 and inbox_len + window_len == 0
    and not redis.call('ZSCORE', series_index, name) then
    local refused = {}
    for s = 1, #times do
      refused[s] = { 'too_many_series' }
    end
    return { refused, false }
  end

  local added = {} -- time -> value, of this call
  local fresh = {} -- score, member, ...
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

  local function class_of(at, value)
    if inbox_len + #fresh / 2 >= inbox_len_max then
      return { 'full' }
    end
    if at == '' then
      at = first_free()
    end
    if tonumber(at) <= floor then
      return { 'too_old' }
    end
    local stored, judged = value_at(at)
    if not stored then
      added[at] = value
      fresh[#fresh + 1] = at
      fresh[#fresh + 1] = at .. ':' .. value
      return { 'fresh', at }
    end
    if stored ~= value then
      return { 'conflict', stored }
    end
    local anomaly = judged and redis.call('ZRANGEBYSCORE', anomalies, at, at)[1]
    return { 'duplicate', at, anomaly or judged or '' }
  end

  for s = 1, #times do
    classes[s] = class_of(times[s], values[s])
  end

  if #fresh > 0 then
    redis.call('ZADD', inbox, unpack(fresh))
    redis.call('ZADD', pending_index, 'NX', now, pending_name)
    note_receipt(name)
    if is_expiry_due() then
      expire()
    elseif inbox_len == 0 then
      redis.call('EXPIRE', inbox, redis.call('TTL', memory))
    end
  end
  for s = 1, #classes do
    local class = classes[s][1]
    if class ~= 'full' then -- Its writer comes again with it, and counts it if it gives up.
      count('samples ' .. (class == 'fresh' and 'accepted' or class), 1)
    end
  end

  inbox_len = inbox_len + #fresh / 2
  if inbox_len == 0 and #times == 0 then
    redis.call('ZREM', pending_index, pending_name) -- The inbox was lost.
  end
  return { classes, inbox_len > 0 and state(tonumber(ARGV[first + 2])) }
end)
