-- What reads the changes of a commit from ARGV: each is its name and the values that its function takes, as redis_changes.py sends them.
-- A function answers whether the change's condition holds.

local at = 0

local function take()
  at = at + 1
  return ARGV[at]
end

local function take_number()
  return tonumber(take())
end

local changes = {}
local at_last = {} -- functions, called when every condition has held
