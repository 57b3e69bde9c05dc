-- Appends samples to the inbox of their series, or stores an optimistic commit if the series is still the one judged on.
--
-- Reads everything of a series before its first write: a failed script does not roll back. series.lua precedes this
-- script, and describes KEYS and ARGV.
--
-- Arguments of a series: name, name with tenant, cached version, '1' if the series may be new, number of samples,
--       then (time or '', value with the mark of a counter) of each;
--       for an optimistic commit, instead of the number: 'judged', '1' to record the receipt, '1' to return the state
--       if the commit is refused, '1' or '0' for each sample without or with a time, and the commit
-- Returns: {class...}, and the state, or false if no sample waits; if the series is new and must not be,
--       'too_many_series' for each sample; or the new version of an optimistic commit; or false and the state, if
--       nothing was stored

-- Samples of the arguments: times or '', and values.
local function samples_of(first)
  local times, values = {}, {}
  if ARGV[first + 4] ~= 'judged' then
    for i = first + 5, first + 4 + 2 * ARGV[first + 4], 2 do
      times[#times + 1] = ARGV[i]
      values[#values + 1] = ARGV[i + 1]
    end
    return times, values
  end
  local untimed = ARGV[first + 7]
  local _, _, samples, behind = parts_of(first + 8)
  for a = samples, behind - 1, 2 do
    local i = #times + 1
    times[i] = string.sub(untimed, i, i) == '1' and '' or ARGV[a]
    values[i] = value_of(ARGV[a + 1])
  end
  return times, values
end

-- Returns true if an optimistic commit may apply: no sample waits, and memory and window exist, or neither does.
local function is_as_expected()
  return not has_inbox and has_window == has_memory and has_window == (version ~= 0)
end

-- Returns true if a series is stored nowhere, not even in the index.
local function is_unknown(name)
  return version == 0 and not has_inbox and not has_window and not redis.call('ZSCORE', series_index, name)
end

return each(function(k, first)
  open(k)
  local name, pending_name = ARGV[first], ARGV[first + 1]
  local is_first = is_unknown(name)
  local is_admitted = not is_first or ARGV[first + 3] == '1' and has_room()

  if ARGV[first + 4] == 'judged' and is_admitted and is_as_expected() and is_judged_on(first + 8) then
    local at = first + 8
    local next_version, is_new = store(name, pending_name, at)
    count('samples accepted', tonumber(ARGV[at + 8]))
    local is_receipt = not has_memory or ARGV[first + 5] == '1'
    if is_receipt then
      add_receipt(name)
      if has_memory then
        drop_old_anomalies(name, at)
        is_new = is_new or is_expiry_due()
      end
    end
    if is_new then
      local is_single = is_first and ARGV[at + 8] == '1' or not is_receipt and has_single_sample(name)
      expire(name, pending_name, is_single)
    end
    return { next_version }
  end
  if ARGV[first + 4] == 'judged' and ARGV[first + 6] == '1' and is_admitted and not has_inbox then
    return { false, state(0) }
  end

  local inbox_len = has_inbox and redis.call('ZCARD', inbox) or 0
  local window_len = has_window and redis.call('ZCARD', window) or 0

  if window_len == 0 and version ~= 0 then
    floor = cursor -- The window was lost: judged samples cannot be distinguished from new ones.
  end
  if version == 0 and window_len >= stored_len_min then
    -- The memory was lost: the window may have been trimmed just below its oldest sample (see detector::window).
    floor = tonumber(redis.call('ZRANGE', window, 0, 0, 'WITHSCORES')[2]) - 1
  end
  -- The window has no newer sample; without a memory its newest time is unknown.
  local newest = version ~= 0 and cursor or math.huge

  local times, values = samples_of(first)
  if not is_admitted and #times > 0 then
    local refused = {}
    for s = 1, #times do
      refused[s] = { 'too_many_series' }
    end
    return { refused, false }
  end

  local added = {} -- time -> value with the mark of a counter, of this call
  local fresh = {} -- score, member, ...
  local classes = {}

  -- Text of the value at a time, and its member of the window if it is judged.
  local function value_at(at)
    if added[at] then
      return string.match(added[at], '^[^:]*')
    end
    if inbox_len > 0 then
      local waiting = redis.call('ZRANGEBYSCORE', inbox, at, at)[1]
      if waiting then
        return string.match(waiting, ':([^:]*)')
      end
    end
    if window_len > 0 and tonumber(at) <= newest then
      local judged = redis.call('ZRANGEBYSCORE', window, at, at)[1]
      if judged then
        return string.match(judged, '^%d+:([^:]*)'), judged
      end
    end
  end

  -- At or below the floor no time is free, and at or below the cursor a sample would be late, although it is the newest.
  local free_us = math.max(now_us, floor + 1, cursor + 1)
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
    if stored ~= value and stored ~= string.match(value, '^[^:]*') then
      return { 'conflict', stored }
    end
    local anomaly = judged and redis.call('ZRANGEBYSCORE', anomalies, at, at)[1]
    if judged and not anomaly and string.find(judged, '+', 1, true) then
      -- The rate of a counter follows from the sample before.
      local before = redis.call('ZREVRANGEBYSCORE', window, '(' .. at, '-inf', 'LIMIT', '0', '1')[1]
      return { 'duplicate', at, judged, before or '' }
    end
    return { 'duplicate', at, anomaly or judged or '' }
  end

  for s = 1, #times do
    classes[s] = class_of(times[s], values[s])
  end

  if #fresh > 0 then
    redis.call('ZADD', inbox, unpack(fresh))
    redis.call('ZADD', pending_index, 'NX', now, pending_name)
    add_receipt(name)
    if is_expiry_due() then
      expire(name, pending_name, is_first and #fresh == 2)
    elseif inbox_len == 0 then
      redis.call('EXPIRE', inbox, redis.call('TTL', memory))
    end
  end
  for s = 1, #classes do
    local class = classes[s][1]
    if class ~= 'full' then -- Its writer retries, and counts it if it gives up.
      count('samples ' .. (class == 'fresh' and 'accepted' or class), 1)
    end
  end

  inbox_len = inbox_len + #fresh / 2
  if inbox_len == 0 and #times == 0 then
    redis.call('ZREM', pending_index, pending_name) -- The inbox was lost.
  end
  return { classes, inbox_len > 0 and state(tonumber(ARGV[first + 2])) }
end)
