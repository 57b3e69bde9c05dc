-- What append.lua, commit.lua and read.lua share, in front of which it is put: one call, several series of a shard.
--
-- Version, cursor and floor stand at fixed places of the memory (see detector::memory). A memory that is missing,
-- cut off or of another layout counts as version 0, and is replaced by the next commit.
--
-- KEYS: index of series, index of pending, totals, index of anomalous, names of the indexes of series,
--       then inbox, window, anomalies, memory, config of each series
-- ARGV: seconds to live, inbox length max, inbox read max, anomalies kept max,
--       then of each series how many arguments it has, and these
-- Answers: the time, and for each series what its function answers, or {false, why} where its keys hold something else
local series_index, pending_index, totals, anomalous_index, tenants = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local SHARED = 5
local ttl_s, inbox_len_max = tonumber(ARGV[1]), tonumber(ARGV[2])
local inbox_read_max, anomalies_kept_max = tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])

local inbox, window, anomalies, memory, config -- of the series at hand
local version, cursor, floor

local function integer(number)
  return string.format('%.0f', number)
end

local function open(i)
  local k = SHARED + 5 * i - 4
  inbox, window, anomalies, memory, config = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  version, cursor, floor = 0, -1, -1
  local header = redis.call('GETRANGE', memory, 0, 31)
  if #header == 32 and string.sub(header, 1, 4) == 'TMm1' then
    version, cursor, floor = struct.unpack('<i8i8i8', header, 9)
  end
end

-- By which a configuration is told from every other of the series; 0 when there is none.
local function revision()
  return string.match(redis.call('GETRANGE', config, 0, 19), '^%d+') or '0'
end

-- The series as it is: version, whether the caller knows it, memory and window unless it does, the oldest samples
-- that wait, and the configuration unless the caller knows that version: that it is outdated is told by `commit`.
local function state(known_version)
  local waiting = redis.call('ZRANGE', inbox, 0, inbox_read_max - 1)
  if version ~= 0 and version == known_version and redis.call('EXISTS', window) == 1 then
    return { integer(version), 1, false, {}, waiting, false }
  end
  local judged = redis.call('ZRANGE', window, 0, -1)
  return { integer(version), 0, redis.call('GET', memory), judged, waiting, redis.call('GET', config) }
end

-- All keys of a series expire together, at the earliest so long after its last receipt; a little later, so that this
-- is not written with each.
local function expire()
  for _, key in ipairs({ inbox, window, anomalies, memory }) do
    redis.call('EXPIRE', key, math.floor(ttl_s * 1.01))
  end
end

local function expire_where_due()
  if redis.call('TTL', memory) < ttl_s then
    expire()
    return true
  end
end

local function note_receipt(name)
  if redis.call('ZADD', series_index, now_us, name) == 1 then
    redis.call('SADD', tenants, series_index)
  end
  redis.call('ZREMRANGEBYSCORE', series_index, '-inf', '(' .. integer(now_us - ttl_s * 1000000))
end

local counts = {}
local function count(field, n)
  counts[field] = (counts[field] or 0) + n
end

-- What was judged of a series, in ARGV from `at` on: version and revision judged on, length of the memory or '',
-- floor or '-1', oldest anomaly kept, heat of the new anomalies or '', number of slices of the memory, of totals, of
-- samples, notes (see notes.lua); then (offset, bytes) of each slice, (field, n) of each total, (time, window member, anomalies member or '')
-- of each sample. A slice at 0 is the whole memory; the first one is at 0, or at 16, just behind the version.
local JUDGED_HEAD = 10

-- Whether a series is the one that was judged on.
local function is_judged_on(at)
  return version == tonumber(ARGV[at])
    and revision() == ARGV[at + 1]
    and (ARGV[at + 2] == '' or redis.call('STRLEN', memory) == tonumber(ARGV[at + 2]))
end

-- Stores what was judged; answers the new version, and whether a key is new, which then has no expiry.
local function store(name, pending_name, at, window_len)
  local floor_now, heat = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 5])
  local n_slices, n_totals, n_samples = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])
  local slices = at + JUDGED_HEAD
  local fields = slices + 2 * n_slices
  local samples = fields + 2 * n_totals
  local judged, anomalous = {}, {}
  for i = samples, samples + 3 * n_samples - 1, 3 do
    if tonumber(ARGV[i]) > floor_now then
      judged[#judged + 1] = ARGV[i]
      judged[#judged + 1] = ARGV[i + 1]
    end
    if ARGV[i + 2] ~= '' then
      anomalous[#anomalous + 1] = ARGV[i]
      anomalous[#anomalous + 1] = ARGV[i + 2]
    end
  end

  local next_version = version == 0 and now_us or version + 1
  -- Redis asks at the first write of a script only whether there is memory left, and only of a write that may take some:
  -- this one writes nothing, and asks.
  redis.call('SETRANGE', memory, 0, '')
  -- First what may hold something else: then nothing is written.
  note(memory, pending_name, ARGV[at + 9], next_version, ttl_s)
  if #anomalous > 0 then
    redis.call('ZADD', anomalies, unpack(anomalous))
    redis.call('ZREMRANGEBYRANK', anomalies, 0, -anomalies_kept_max - 1)
    local before = tonumber(redis.call('ZSCORE', anomalous_index, name) or nil)
    if before then
      heat = math.max(before, heat) + math.log(1 + math.exp(-math.abs(before - heat)))
    end
    redis.call('ZADD', anomalous_index, heat, name)
    redis.call('ZREMRANGEBYRANK', anomalous_index, 0, -1001) -- Nobody asks for more, and series that expired stay in it.
  end
  -- Trimmed before it grows, since a set that once outgrew the compact encoding never returns to it.
  if window_len > 0 then
    redis.call('ZREMRANGEBYSCORE', window, '-inf', floor_now)
  end
  if #judged > 0 then
    redis.call('ZADD', window, unpack(judged))
  end
  local packed = struct.pack('<i8', next_version)
  local is_whole = ARGV[slices] == '0'
  if is_whole then
    local whole = ARGV[slices + 1]
    redis.call('SET', memory, string.sub(whole, 1, 8) .. packed .. string.sub(whole, 17))
  else
    redis.call('SETRANGE', memory, 8, packed .. ARGV[slices + 1])
    for i = slices + 2, fields - 1, 2 do
      redis.call('SETRANGE', memory, ARGV[i], ARGV[i + 1])
    end
  end
  for i = fields, samples - 1, 2 do
    count(ARGV[i], tonumber(ARGV[i + 1]))
  end
  return next_version, is_whole or #anomalous > 0 or window_len == 0
end

local function drop_old_anomalies(name, at)
  if redis.call('ZREMRANGEBYSCORE', anomalies, '-inf', '(' .. ARGV[at + 4]) > 0 and redis.call('EXISTS', anomalies) == 0 then
    redis.call('ZREM', anomalous_index, name)
  end
end

-- Runs a function for each series, which is told the place of its first and its last argument.
--
-- Keys of one series that hold something else are its own matter; any other error is one of the server, and of all.
local function each(write)
  local answers, at, failure = { integer(now_us) }, 5, nil
  for i = 1, (#KEYS - SHARED) / 5 do
    local last = at + ARGV[at]
    local is_done, answer = pcall(write, i, at + 1, last)
    if not is_done then
      local reason = type(answer) == 'table' and answer.err or answer
      if not string.find(reason, 'WRONGTYPE', 1, true) and not string.find(reason, '^user_script:') then
        failure = reason
        break
      end
      answer = { false, reason }
    end
    answers[#answers + 1] = answer
    at = last + 1
  end
  for field, n in pairs(counts) do
    redis.pcall('HINCRBY', totals, field, n)
  end
  if failure then
    return redis.error_reply(failure)
  end
  return answers
end
