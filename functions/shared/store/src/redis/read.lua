-- The series as they are; series.lua is put in front.
return each(function(i)
  open(i)
  return state(0)
end)
