-- Returns the state of each series; series.lua precedes this script.
return each(function(i)
  open(i)
  return state(0)
end)
