-- The series as it is; state.lua is put in front.
--
-- KEYS: inbox, window, anomalies, memory
-- ARGV: inbox read max
return state(tonumber(ARGV[1]))
