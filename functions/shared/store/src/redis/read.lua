-- Returns the state of each series; series.lua precedes this script.
return each(function(k)
  open(k)
  return state(0)
end)
