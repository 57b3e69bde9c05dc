-- The series as it is; state.lua is put in front.
--
-- KEYS: as for append.lua
-- ARGV: inbox read max
return state(tonumber(ARGV[1]))
