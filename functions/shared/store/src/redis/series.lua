-- Shared code of append.lua, commit.lua and read.lua, which follow it: one call handles several series of one server.
--
-- Implements the steps of the crate `protocol` on the keys of a series. Version, cursor and floor have fixed offsets in
-- the memory (see detector::memory). A memory that is missing, cut off or of another layout counts as version 0; the
-- next commit replaces it.
--
-- Series of one shard and tenant are a group, and share keys.
--
-- KEYS: of each group: index of series, index of pending, totals, index of anomalous, expiries of series, silence checks,
--       unsaved episodes, the mark of an enabled history, series with a single sample, checks of alerts,
--       then inbox, window, anomalies, memory, config, episodes of each of its series
-- ARGV: limits (see series_calls.rs): least and longest time to live in seconds, inbox length max, inbox read max,
--       anomalies kept max, stored window length min, ranked series max, episodes kept max, time to live of a series
--       with a single sample in seconds, series of the tenant and of all tenants max in this shard;
--       then the number of groups, the number of series of each,
--       and for each series its number of arguments, and the arguments
-- Returns: the server time, the accepted samples of the shard of the first group if this call accepted some, otherwise
--       '', and for each series the reply of its script, or {false, reason} if a key of the series has
--       the wrong type
local SHARED_KEYS, SERIES_KEYS, SHARED_ARGUMENTS = 10, 6, 11
local ttl_s, ttl_max_s = tonumber(ARGV[1]), ARGV[2]
local inbox_len_max, inbox_read_max, anomalies_kept_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local stored_len_min, ranked_max, episodes_kept_max = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local single_ttl_s, tenant_series_max, all_series_max = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = time[1] .. string.format('%06d', time[2])

-- Keys of the current group, and of the current series.
local series_index, pending_index, totals, anomalous_index, expiries
local silence_checks, unsaved_episodes, history_enabled, single_samples, alert_checks
local inbox, window, anomalies, memory, config, episodes
local has_inbox, has_window, has_memory, has_config
local version, cursor, floor
local store_episodes -- episodes.lua

-- Text of a whole number. Arguments of Redis calls are texts where possible: Redis takes a microsecond to print a
-- number.
local function integer(number)
  return string.format('%d', number)
end

-- Opens the series whose keys begin at KEYS[k].
local function open(k)
  inbox, window, anomalies, memory, config, episodes = unpack(KEYS, k, k + SERIES_KEYS - 1)
  -- One call for three keys, since the overhead of a call dominates: EXISTS counts a key as often as it is named.
  local n_found = redis.call('EXISTS', inbox, window, window, config, config, config, config)
  has_inbox, has_window, has_config = n_found % 2 == 1, n_found % 4 >= 2, n_found >= 4
  version, cursor, floor = 0, -1, -1
  local header = redis.call('GETRANGE', memory, '0', '31')
  has_memory = header ~= ''
  if #header == 32 and string.sub(header, 1, 4) == 'TMm2' then
    version, cursor, floor = struct.unpack('<i8i8i8', header, 9)
  end
end

-- Revision of the configuration; 0 if the series has none.
local function revision()
  return has_config and string.match(redis.call('GETRANGE', config, '0', '19'), '^%d+') or '0'
end

-- Value of a member of the window, with the mark of a counter if it has one: what a member of the inbox has after its
-- time (see protocol::member).
local function value_of(judged)
  local value, mark = string.match(judged, '^[^:]*:([^:]*):%a([^:]*)')
  return mark == '' and value or value .. ':' .. mark
end

-- State of the series: version, 1 if the caller has this version cached, memory, window, the oldest waiting samples,
-- configuration. Memory, window and configuration are omitted if the version is cached; `commit` detects an outdated
-- configuration.
local function state(cached_version)
  local waiting = redis.call('ZRANGE', inbox, '0', inbox_read_max - 1)
  if version ~= 0 and version == cached_version and has_window then
    return { version, 1, false, {}, waiting, false }
  end
  local judged = redis.call('ZRANGE', window, '0', '-1')
  return { version, 0, redis.call('GET', memory), judged, waiting, has_config and redis.call('GET', config) }
end

-- All keys of a series expire together, at the earliest `ttl_s` after its last receipt; a little later, so that not
-- every receipt writes the expiry. A series with a single sample expires earlier.
local expiring, single, not_single -- of the group: time, name with tenant, ...; time, name, ...; name, ...
local function expire(name, pending_name, is_single)
  local ttl = is_single and single_ttl_s or ttl_max_s
  redis.call('EXPIRE', memory, ttl)
  redis.call('EXPIRE', window, ttl)
  redis.call('EXPIRE', anomalies, ttl)
  redis.call('EXPIRE', inbox, ttl)
  expiring[#expiring + 1] = integer(time[1] + ttl)
  expiring[#expiring + 1] = pending_name
  if is_single then
    single[#single + 1] = now
    single[#single + 1] = name
  else
    not_single[#not_single + 1] = name
  end
end

-- Calls a command with the gathered arguments, if there are any; returns its error, or nil.
local function call_with(command, key, gathered)
  local reply = #gathered > 0 and redis.pcall(command, key, unpack(gathered))
  return type(reply) == 'table' and reply.err or nil
end

-- Records the expiries of all series of the group; returns an error, or nil.
local function store_expiries()
  return call_with('ZADD', expiries, expiring)
    or call_with('ZADD', single_samples, single)
    or call_with('ZREM', single_samples, not_single)
end

local function has_single_sample(name)
  return redis.call('ZSCORE', single_samples, name) and true
end

local n_of_tenant, n_of_all -- series of this group and of its shard, with those that this call adds
-- Returns true if the limits of the shard admit another series.
local function has_room()
  if not n_of_tenant then
    -- Writes nothing, and makes Redis check `maxmemory`, as in `is_judged_on`: it does not check a removal.
    redis.call('SETRANGE', memory, '0', '')
    redis.call('ZREMRANGEBYSCORE', expiries, '-inf', time[1])
    local ended = redis.call('ZRANGEBYSCORE', single_samples, '-inf', integer(now_us - single_ttl_s * 1000000), 'LIMIT', '0', '100')
    if #ended > 0 then
      redis.call('ZREM', series_index, unpack(ended))
      redis.call('ZREM', single_samples, unpack(ended))
    end
    n_of_tenant, n_of_all = redis.call('ZCARD', series_index), redis.call('ZCARD', expiries)
  end
  if n_of_tenant >= tenant_series_max or n_of_all >= all_series_max then
    return false
  end
  n_of_tenant, n_of_all = n_of_tenant + 1, n_of_all + 1
  return true
end

local function is_expiry_due()
  return redis.call('TTL', memory) < ttl_s
end

local received -- of the group: time, name, ...
local function add_receipt(name)
  received[#received + 1] = now
  received[#received + 1] = name
end

-- Records the receipts of all series of the group in the series index; returns an error, or nil.
local function store_receipts()
  if #received == 0 then
    return
  end
  local reason = call_with('ZADD', series_index, received)
  if reason then
    return reason
  end
  redis.call('ZREMRANGEBYSCORE', series_index, '-inf', '(' .. integer(now_us - ttl_s * 1000000))
end

local counts = {}
local function count(field, n)
  counts[field] = (counts[field] or 0) + n
end

-- A commit in ARGV from `at` on: version and revision judged on, length of the memory or '', floor or '-1', time of the
-- oldest anomaly to keep, decayed score of the new anomalies or '', number of memory slices, totals, samples, samples
-- above the floor, anomalies, episode update (see episodes.lua); then (offset, bytes) of each slice, (field, n) of each
-- total, (time, window member) of each sample in time order, (time, anomalies member) of each anomaly.
--
-- If the first slice has offset 0, the slices replace the memory, with zeros between them. Otherwise it has offset 16,
-- directly after the version.
local COMMIT_HEADER_LEN = 12

-- Positions of slices, totals, samples and anomalies of a commit, and of the next argument.
local function parts_of(at)
  local fields = at + COMMIT_HEADER_LEN + 2 * ARGV[at + 6]
  local samples = fields + 2 * ARGV[at + 7]
  local anomalous = samples + 2 * ARGV[at + 8]
  return at + COMMIT_HEADER_LEN, fields, samples, anomalous, anomalous + 2 * ARGV[at + 10]
end

-- Returns true if the series is still the one that was judged on.
local function is_judged_on(at)
  if version ~= tonumber(ARGV[at]) or revision() ~= ARGV[at + 1] then
    return false
  end
  -- Writes nothing, and returns the length. As a write command it also makes Redis check `maxmemory` now: Redis checks
  -- only at the first write of a script.
  local len = redis.call('SETRANGE', memory, '0', '')
  return ARGV[at + 2] == '' or len == tonumber(ARGV[at + 2])
end

-- Stores a commit; returns the new version, and true if a key is new and so has no expiry.
local function store(name, pending_name, at)
  local floor_now = tonumber(ARGV[at + 3])
  local slices, fields, samples, anomalous, behind = parts_of(at)
  local next_version = version == 0 and now_us or version + 1
  local is_new = not has_memory or not has_window
  -- Keys that may have the wrong type come first, so that an error leaves nothing half written.
  if ARGV[at + 11] ~= '' or anomalous < behind then
    redis.call('ZCARD', window)
    store_episodes(pending_name, ARGV[at + 11], next_version)
  end
  if anomalous < behind then
    local n_before = redis.call('ZCARD', anomalies)
    if n_before > 0 and redis.call('ZCOUNT', anomalies, ARGV[anomalous], '+inf') > 0 then
      -- One anomaly per time: after a loss of memory and window a sample may be judged again. They are in time order.
      for a = anomalous, behind - 1, 2 do
        n_before = n_before - redis.call('ZREMRANGEBYSCORE', anomalies, ARGV[a], ARGV[a])
      end
    end
    is_new = is_new or n_before == 0
    redis.call('ZADD', anomalies, unpack(ARGV, anomalous, behind - 1))
    if n_before + (behind - anomalous) / 2 > anomalies_kept_max then
      redis.call('ZREMRANGEBYRANK', anomalies, 0, -anomalies_kept_max - 1)
    end
    local score = tonumber(ARGV[at + 5])
    local before = tonumber(redis.call('ZSCORE', anomalous_index, name) or nil)
    if before then
      score = math.max(before, score) + math.log(1 + math.exp(-math.abs(before - score)))
    end
    redis.call('ZADD', anomalous_index, score, name)
    -- No reader asks for more, and expired series stay in the index.
    redis.call('ZREMRANGEBYRANK', anomalous_index, 0, -ranked_max - 1)
  end
  -- Trim before adding: a set that once outgrew the compact encoding never returns to it.
  if has_window and floor_now > floor then
    redis.call('ZREMRANGEBYSCORE', window, '-inf', ARGV[at + 3])
  end
  if ARGV[at + 9] ~= '0' then
    redis.call('ZADD', window, unpack(ARGV, anomalous - 2 * ARGV[at + 9], anomalous - 1))
  end
  local packed = struct.pack('<i8', next_version)
  local first = ARGV[slices + 1]
  if ARGV[slices] == '0' then
    is_new = true
    if has_memory then
      redis.call('DEL', memory)
    end
    -- From the end, so that Redis allocates the exact length at once: it over-allocates strings that grow.
    for i = fields - 2, slices + 2, -2 do
      redis.call('SETRANGE', memory, ARGV[i], ARGV[i + 1])
    end
    redis.call('SETRANGE', memory, '0', string.sub(first, 1, 8) .. packed .. string.sub(first, 17))
  else
    redis.call('SETRANGE', memory, '8', packed .. first)
    for i = slices + 2, fields - 1, 2 do
      redis.call('SETRANGE', memory, ARGV[i], ARGV[i + 1])
    end
  end
  for i = fields, samples - 1, 2 do
    count(ARGV[i], tonumber(ARGV[i + 1]))
  end
  return next_version, is_new
end

local function drop_old_anomalies(name, at)
  if redis.call('ZREMRANGEBYSCORE', anomalies, '-inf', '(' .. ARGV[at + 4]) > 0 and redis.call('EXISTS', anomalies) == 0 then
    redis.call('ZREM', anomalous_index, name)
  end
end

-- Opens the group whose keys begin at KEYS[k].
local function open_group(k)
  series_index, pending_index, totals, anomalous_index, expiries = unpack(KEYS, k, k + 4)
  silence_checks, unsaved_episodes, history_enabled, single_samples, alert_checks = unpack(KEYS, k + 5, k + 9)
  n_of_tenant, n_of_all = nil, nil
  received, expiring, single, not_single = {}, {}, {}, {}
end

-- Adds the counts of the call to the totals of the first group: readers add those of all shards. Returns the accepted
-- samples of its shard, or ''.
local function store_counts()
  local n_accepted = ''
  for field, n in pairs(counts) do
    local total = redis.pcall('HINCRBY', KEYS[3], field, integer(n))
    if field == 'samples accepted' and type(total) == 'number' then
      n_accepted = integer(total)
    end
  end
  return n_accepted
end

-- Runs a function for each series, with the positions of its first key and argument.
--
-- A key of the wrong type fails only its own series; any other error is one of the server, and fails the call.
local function each(write)
  local answers, failure = { now_us, '' }, nil
  local n_groups = tonumber(ARGV[SHARED_ARGUMENTS + 1])
  local k, at = 1, SHARED_ARGUMENTS + n_groups + 2
  for group = 1, n_groups do
    open_group(k)
    k = k + SHARED_KEYS
    for _ = 1, tonumber(ARGV[SHARED_ARGUMENTS + 1 + group]) do
      local is_done, answer = pcall(write, k, at + 1)
      if not is_done then
        local reason = type(answer) == 'table' and answer.err or answer
        if not string.find(reason, 'WRONGTYPE', 1, true) and not string.find(reason, '^user_script:') then
          failure = reason
          break
        end
        answer = { false, reason }
      end
      answers[#answers + 1] = answer
      k = k + SERIES_KEYS
      at = at + ARGV[at] + 1
    end
    failure = store_receipts() or store_expiries() or failure
    if failure then
      break
    end
  end
  answers[2] = store_counts()
  if failure then
    return redis.error_reply(failure)
  end
  return answers
end
