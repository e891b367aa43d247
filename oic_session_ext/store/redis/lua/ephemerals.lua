#!lua flags=no-writes
-- Returns the short-lived records of the given keys, in that order; nil if there is none.

local found = {}
for i, key in ipairs(ARGV) do
  found[i] = redis.call('GET', KEYS[1] .. 'e:' .. key)
end
return found
