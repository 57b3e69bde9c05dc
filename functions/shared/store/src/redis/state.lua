-- Shared by append.lua, commit.lua and read.lua, in front of which it is put.
--
-- Version, cursor and floor stand at fixed places of the memory (see detector::memory). A memory that is missing,
-- cut off or of another layout counts as version 0, and is replaced by the next commit.
local inbox, window, anomalies, memory = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local config = KEYS[8]

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])

local header = redis.call('GETRANGE', memory, 0, 31)
local version, cursor, floor = 0, -1, -1
if #header == 32 and string.sub(header, 1, 4) == 'TMm1' then
  version, cursor, floor = struct.unpack('<i8i8i8', header, 9)
end

local function integer(number)
  return string.format('%.0f', number)
end

-- By which a configuration is told from every other of the series; 0 when there is none.
local function revision()
  return string.match(redis.call('GETRANGE', config, 0, 19), '^%d+') or '0'
end

-- The series as it is: version, whether the caller knows it, memory and window unless it does, the oldest samples
-- that wait, and the configuration unless the caller knows that version: that it is outdated is told by `commit`.
local function state(inbox_read_max, known_version)
  local waiting = redis.call('ZRANGE', inbox, 0, inbox_read_max - 1)
  if version ~= 0 and integer(version) == known_version and redis.call('EXISTS', window) == 1 then
    return { integer(version), 1, false, {}, waiting, false }
  end
  local judged = redis.call('ZRANGE', window, 0, -1)
  return { integer(version), 0, redis.call('GET', memory), judged, waiting, redis.call('GET', config) }
end

local function expire(seconds)
  for i = 1, 4 do
    redis.call('EXPIRE', KEYS[i], seconds)
  end
end
