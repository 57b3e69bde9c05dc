-- Stores a commit if version and configuration are still those judged on; changes nothing otherwise.
--
-- A sample that the inbox lost meanwhile is stored, too: with an unchanged version no other writer judged it.
-- series.lua precedes this script, and describes KEYS and ARGV.
--
-- Arguments of a series: name, name with tenant, then the commit
-- Returns: the new version if stored, otherwise false and the state

-- Returns true if a sample of a first commit has left the inbox for the window: another writer committed it, and the
-- memory was lost since, so that the version does not show it.
local function has_judged(at)
  if version ~= 0 or not has_window then
    return false
  end
  local _, _, samples, behind = parts_of(at)
  for a = samples, behind - 1, 2 do
    local is_waiting = redis.call('ZCOUNT', inbox, ARGV[a], ARGV[a]) > 0
    if not is_waiting and redis.call('ZCOUNT', window, ARGV[a], ARGV[a]) > 0 then
      return true
    end
  end
  return false
end

return each(function(k, first)
  open(k)
  local name, pending_name, at = ARGV[first], ARGV[first + 1], first + 2
  -- If the window was lost, the floor must have risen to the cursor first, as in `append`.
  local is_window_lost = version ~= 0 and tonumber(ARGV[at + 3]) < cursor and not has_window
  if is_window_lost or not is_judged_on(at) or has_judged(at) then
    count('commit_conflicts', 1)
    return { false, state(0) }
  end
  local inbox_len = has_inbox and redis.call('ZCARD', inbox) or 0
  local next_version, is_new = store(name, pending_name, at)
  if inbox_len > 0 then
    local left = {}
    local _, _, samples, behind = parts_of(at)
    for a = samples, behind - 1, 2 do
      left[#left + 1] = ARGV[a] .. ':' .. value_of(ARGV[a + 1])
    end
    local n_removed = redis.call('ZREM', inbox, unpack(left))
    if n_removed < #left then
      -- The inbox was lost, and may have another value at the time of a judged sample. Or the configuration of the series
      -- sets another kind than the sender of a sample.
      for a = samples, behind - 1, 2 do
        n_removed = n_removed + redis.call('ZREMRANGEBYSCORE', inbox, ARGV[a], ARGV[a])
      end
    end
    inbox_len = inbox_len - n_removed
  end
  if inbox_len == 0 then
    redis.call('ZREM', pending_index, pending_name)
  end
  drop_old_anomalies(name, at)
  if version == 0 then
    add_receipt(name) -- The series may have been removed between append and commit.
  end
  if is_new then
    expire(name, pending_name, has_single_sample(name))
  end
  return { next_version }
end)
