-- Reads the changes of a commit from ARGV: for each, its name and the arguments of its function, as ../../changes.py sends them.
-- Each function returns whether the change's condition holds.

local at = 0

local function take()
  at = at + 1
  return ARGV[at]
end

local function take_number()
  return tonumber(take())
end

local changes = {}
local at_last = {} -- functions to call after every condition has held
