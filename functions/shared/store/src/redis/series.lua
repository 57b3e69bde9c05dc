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
local now = time[1] .. string.format('%06d', time[2])

local inbox, window, anomalies, memory, config -- of the series at hand
local has_inbox, has_window, has_memory, has_config
local version, cursor, floor

-- The text of a whole number. What is given to Redis is text wherever it can be, as each number costs it a microsecond
-- to print.
local function integer(number)
  return string.format('%d', number)
end

local function open(i)
  local k = SHARED + 5 * i - 4
  inbox, window, anomalies, memory, config = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  -- One call for three keys, as a call costs more than what it does: a key counts as often as it is named.
  local n_there = redis.call('EXISTS', inbox, window, window, config, config, config, config)
  has_inbox, has_window, has_config = n_there % 2 == 1, n_there % 4 >= 2, n_there >= 4
  version, cursor, floor = 0, -1, -1
  local header = redis.call('GETRANGE', memory, '0', '31')
  has_memory = header ~= ''
  if #header == 32 and string.sub(header, 1, 4) == 'TMm1' then
    version, cursor, floor = struct.unpack('<i8i8i8', header, 9)
  end
end

-- By which a configuration is told from every other of the series; 0 when there is none.
local function revision()
  return has_config and string.match(redis.call('GETRANGE', config, '0', '19'), '^%d+') or '0'
end

-- The series as it is: version, whether the caller knows it, memory and window unless it does, the oldest samples
-- that wait, and the configuration unless the caller knows that version: that it is outdated is told by `commit`.
local function state(known_version)
  local waiting = redis.call('ZRANGE', inbox, '0', inbox_read_max - 1)
  if version ~= 0 and version == known_version and has_window then
    return { version, 1, false, {}, waiting, false }
  end
  local judged = redis.call('ZRANGE', window, '0', '-1')
  return { version, 0, redis.call('GET', memory), judged, waiting, has_config and redis.call('GET', config) }
end

-- All keys of a series expire together, at the earliest so long after its last receipt; a little later, so that this
-- is not written with each.
local longest_s = integer(math.floor(ttl_s * 1.01))
local function expire()
  redis.call('EXPIRE', memory, longest_s)
  redis.call('EXPIRE', window, longest_s)
  redis.call('EXPIRE', anomalies, longest_s)
  redis.call('EXPIRE', inbox, longest_s)
end

local function is_expiry_due()
  return redis.call('TTL', memory) < ttl_s
end

local received = {} -- time, name, ...
local function note_receipt(name)
  received[#received + 1] = now
  received[#received + 1] = name
end

-- Notes the receipts of all series of the call in their index; answers an error, if there is one.
local function keep_receipts()
  local n_new = redis.pcall('ZADD', series_index, unpack(received))
  if type(n_new) == 'table' then
    return n_new.err
  end
  if n_new > 0 then
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
-- samples, of those that the window keeps, of anomalies, notes (see notes.lua); then (offset, bytes) of each slice,
-- (field, n) of each total, (time, window member) of each sample in time order, of which the window keeps the last,
-- (time, anomalies member) of each anomaly. Where the first slice is at 0 they replace the memory, which is zero
-- between them; otherwise it is at 16, just behind the version.
local JUDGED_HEAD = 12

-- Where the slices, totals, samples and anomalies of what was judged begin, and the next argument.
local function parts_of(at)
  local fields = at + JUDGED_HEAD + 2 * ARGV[at + 6]
  local samples = fields + 2 * ARGV[at + 7]
  local anomalous = samples + 2 * ARGV[at + 8]
  return at + JUDGED_HEAD, fields, samples, anomalous, anomalous + 2 * ARGV[at + 10]
end

-- Whether a series is the one that was judged on.
local function is_judged_on(at)
  if version ~= tonumber(ARGV[at]) or revision() ~= ARGV[at + 1] then
    return false
  end
  -- Writes nothing and answers the length. And it asks whether there is memory left, as Redis does at the first write of
  -- a script only, and only of one that may take some.
  local len = redis.call('SETRANGE', memory, '0', '')
  return ARGV[at + 2] == '' or len == tonumber(ARGV[at + 2])
end

-- Stores what was judged; answers the new version, and whether a key is new, which then has no expiry.
local function store(name, pending_name, at)
  local floor_now = tonumber(ARGV[at + 3])
  local slices, fields, samples, anomalous, behind = parts_of(at)
  local next_version = version == 0 and now_us or version + 1
  local is_new = not has_memory or not has_window
  -- First what may hold something else: then nothing is written.
  if ARGV[at + 11] ~= '' or anomalous < behind then
    redis.call('ZCARD', window)
    note(memory, pending_name, ARGV[at + 11], next_version, ttl_s)
  end
  if anomalous < behind then
    local n_before = redis.call('ZCARD', anomalies)
    is_new = is_new or n_before == 0
    redis.call('ZADD', anomalies, unpack(ARGV, anomalous, behind - 1))
    if n_before + (behind - anomalous) / 2 > anomalies_kept_max then
      redis.call('ZREMRANGEBYRANK', anomalies, 0, -anomalies_kept_max - 1)
    end
    local heat = tonumber(ARGV[at + 5])
    local before = tonumber(redis.call('ZSCORE', anomalous_index, name) or nil)
    if before then
      heat = math.max(before, heat) + math.log(1 + math.exp(-math.abs(before - heat)))
    end
    redis.call('ZADD', anomalous_index, heat, name)
    redis.call('ZREMRANGEBYRANK', anomalous_index, 0, -1001) -- Nobody asks for more, and series that expired stay in it.
  end
  -- Trimmed before it grows, since a set that once outgrew the compact encoding never returns to it.
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
    -- From its end, so that it is as long as it will be at once: one that grows is given room to grow.
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

-- Runs a function for each series, which is told the place of its first and its last argument.
--
-- Keys of one series that hold something else are its own matter; any other error is one of the server, and of all.
local function each(write)
  local answers, at, failure = { now_us }, 5, nil
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
    redis.pcall('HINCRBY', totals, field, integer(n))
  end
  if #received > 0 then
    failure = keep_receipts() or failure
  end
  if failure then
    return redis.error_reply(failure)
  end
  return answers
end
