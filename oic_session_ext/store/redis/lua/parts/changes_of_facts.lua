-- Facts that the cluster shares.

function changes.ClaimFact()
  local name, value, instead_of = take(), take(), take()
  local known = get('f:' .. name)
  if known and known ~= value and known ~= instead_of then return false end
  set('f:' .. name, value)
  return true
end
