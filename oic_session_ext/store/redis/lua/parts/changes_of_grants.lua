-- Grants.

local function has_its_op_session(head)
  return head[GRANT.OP_SESSION_ID] == cjson.null or get('s:' .. head[GRANT.OP_SESSION_ID])
end

local MOST_EXPIRED = 100 -- a limit, because the server runs no other command meanwhile

-- Removes the grants of an OP session that had expired at an instant, except those that this commit writes, whose scores here are old.
local function drop_expired(op_session_id, now)
  for _, id in ipairs(redis.call('ZRANGE', PREFIX .. 'go:' .. op_session_id, '-inf', now, 'BYSCORE', 'LIMIT', 0, MOST_EXPIRED)) do
    if not changed_texts['g:' .. id] then drop_grant(id) end
  end
end

function changes.PutGrant()
  local id, head_text, data = take(), take(), take()
  local head = cjson.decode(head_text)
  if get('g:' .. id) or not has_its_op_session(head) then return false end
  index_grant(id, nil, head)
  set('g:' .. id, head_text .. '\n' .. data)
  if head[GRANT.OP_SESSION_ID] ~= cjson.null then
    at_last[#at_last + 1] = function() drop_expired(head[GRANT.OP_SESSION_ID], head[GRANT.CREATED_AT]) end
  end
  return true
end

function changes.UpdateGrant()
  local id, version, head_text, data = take(), take_number(), take(), take()
  local record = get('g:' .. id)
  if not record then return false end
  local old, new = split(record), cjson.decode(head_text)
  if old[GRANT.VERSION] ~= version or not has_its_op_session(new) then return false end
  index_grant(id, old, new)
  set('g:' .. id, head_text .. '\n' .. data)
  return true
end

function changes.DeleteGrant()
  drop_grant(take())
  return true
end
