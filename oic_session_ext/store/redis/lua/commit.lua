-- Applies all changes in order, or none. Returns 0, or the number of the change whose condition does not hold.

local number = 0
while at < #ARGV do
  number = number + 1
  if not changes[take()]() then return number end
end
for _, conclude in ipairs(at_last) do
  conclude()
end
flush()
return 0
