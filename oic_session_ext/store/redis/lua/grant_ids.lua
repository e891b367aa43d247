#!lua flags=no-writes
-- Returns the ids of at most `limit` grants with a value of an attribute: first in the sessions that have it, then without a session.

local attribute, value, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local MOST_SESSIONS = 10000 -- a limit, because the server runs no other command meanwhile

local AT = {client_id = 1, uid = 2, sub = 3, sid = 5} -- positions in the head of a grant's record
local SESSIONS = {client_id = 'sc:', uid = 'su:', sub = 'ss:'}
local ALONE = {client_id = 'gc:', uid = 'gu:', sub = 'gs:', sid = 'gi:'}

local function first(key)
  return redis.call('ZRANGE', KEYS[1] .. key, 0, limit - 1)
end

if attribute == 'op_session_id' then return first('go:' .. value) end

local sessions
if attribute == 'sid' then
  sessions = {redis.call('GET', KEYS[1] .. 'i:' .. value) or nil}
else
  sessions = redis.call('ZRANGE', KEYS[1] .. SESSIONS[attribute] .. value, 0, MOST_SESSIONS - 1, 'REV')
end

local found = first(ALONE[attribute] .. value)
for _, id in ipairs(sessions) do
  for _, grant_id in ipairs(redis.call('ZRANGE', KEYS[1] .. 'go:' .. id, 0, -1)) do -- grants of all RPs
    if #found == limit then return found end
    local record = redis.call('GET', KEYS[1] .. 'g:' .. grant_id)
    local head = cjson.decode(string.sub(record, 1, string.find(record, '\n', 1, true) - 1))
    if head[AT[attribute]] == value then found[#found + 1] = grant_id end
  end
end
return found
