#!lua flags=no-writes
-- Answers the records of short-lived records by their keys, in that order; nil where there is none.

local found = {}
for i, key in ipairs(ARGV) do
  found[i] = redis.call('GET', KEYS[1] .. 'e:' .. key)
end
return found
