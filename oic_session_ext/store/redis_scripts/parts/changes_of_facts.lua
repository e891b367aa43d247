-- Facts that the cluster shares.

function changes.ClaimFact()
  local name, value = take(), take()
  local known = get('f:' .. name)
  if known and known ~= value then return false end
  set('f:' .. name, value)
  return true
end
