-- Stores what was judged, if the version, and the configuration, is still the one judged on; changes nothing otherwise.
--
-- A sample that the inbox has lost meanwhile is stored all the same: with the version unchanged nobody else judged it.
-- series.lua is put in front, and says what KEYS and ARGV hold.
--
-- Arguments of a series: name, name with tenant, then what was judged
-- Answers: the new version when stored, the state otherwise
return each(function(i, first)
  open(i)
  local name, pending_name, at = ARGV[first], ARGV[first + 1], first + 2
  -- Without its window the floor must rise to the cursor first, as for `append`.
  local is_window_lost = version ~= 0 and tonumber(ARGV[at + 3]) < cursor and not has_window
  if is_window_lost or not is_judged_on(at) then
    count('commit_conflicts', 1)
    return { false, state(0) }
  end
  local inbox_len = has_inbox and redis.call('ZCARD', inbox) or 0
  local next_version, is_new = store(name, pending_name, at)
  if inbox_len > 0 then
    local left = {}
    local _, _, samples, behind = parts_of(at)
    for a = samples, behind - 1, 2 do
      left[#left + 1] = string.match(ARGV[a + 1], '^[^:]*:[^:]*')
    end
    inbox_len = inbox_len - redis.call('ZREM', inbox, unpack(left))
  end
  if inbox_len == 0 then
    redis.call('ZREM', pending_index, pending_name)
  end
  drop_old_anomalies(name, at)
  if version == 0 then
    note_receipt(name) -- It may have been forgotten between append and commit.
  end
  if is_new then
    expire()
  end
  return { next_version }
end)
