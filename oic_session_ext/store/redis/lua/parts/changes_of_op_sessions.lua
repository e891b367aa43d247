-- Changes that create, update and touch OP sessions.

-- Registers the `sid` of an RP session; returns false if another session has it.
local function name_share(id, created_at, share)
  if get('i:' .. share[SHARE.SID]) then return false end
  set('i:' .. share[SHARE.SID], id)
  place('sc:' .. share[SHARE.CLIENT_ID], id, created_at)
  place('ss:' .. share[SHARE.SUB], id, created_at)
  return true
end

local function due_at(head)
  return math.min(head[IDLE_EXPIRES_AT], head[EXPIRES_AT])
end

function changes.PutOpSession()
  local id, head_text, shares_text = take(), take(), take()
  local head = cjson.decode(head_text)
  if get('s:' .. id) or get('c:' .. head[COOKIE_DIGEST]) then return false end
  for _, share in ipairs(cjson.decode(shares_text)) do
    if not name_share(id, head[CREATED_AT], share) then return false end
  end
  set('s:' .. id, head_text .. '\n' .. shares_text)
  set('c:' .. head[COOKIE_DIGEST], id)
  place('su:' .. head[UID], id, head[CREATED_AT])
  place('sa', id, head[CREATED_AT])
  place('sd', id, due_at(head))
  return true
end

function changes.UpdateOpSession()
  local id, version, head_text = take(), take_number(), take()
  local record = get('s:' .. id)
  if not record then return false end
  local old, shares_text = split(record)
  if old[VERSION] ~= version then return false end
  local new = cjson.decode(head_text)
  if old[COOKIE_DIGEST] ~= new[COOKIE_DIGEST] then
    if get('c:' .. new[COOKIE_DIGEST]) then return false end
    set('c:' .. old[COOKIE_DIGEST], false)
    set('c:' .. new[COOKIE_DIGEST], id)
  end
  new[CREATED_AT] = old[CREATED_AT]
  if old[UID] ~= new[UID] then
    place('su:' .. old[UID], id, false)
    place('su:' .. new[UID], id, new[CREATED_AT])
  end
  place('sd', id, due_at(new))
  set('s:' .. id, joined(new, shares_text))
  return true
end

function changes.TouchOpSession()
  local id, last_active_at, idle_expires_at = take(), take_number(), take_number()
  local record = get('s:' .. id)
  if not record then return false end
  local head, shares_text = split(record)
  head[LAST_ACTIVE_AT] = math.max(head[LAST_ACTIVE_AT], last_active_at)
  head[IDLE_EXPIRES_AT] = math.max(head[IDLE_EXPIRES_AT], idle_expires_at)
  set('s:' .. id, joined(head, shares_text))
  place('sd', id, due_at(head))
  return true
end

function changes.AddRpSession()
  local id, share_text = take(), take()
  local record = get('s:' .. id)
  if not record then return false end
  local head, shares_text = split(record)
  local share, shares = cjson.decode(share_text), cjson.decode(shares_text)
  for _, other in ipairs(shares) do
    if other[SHARE.CLIENT_ID] == share[SHARE.CLIENT_ID] then return true end
  end
  if not name_share(id, head[CREATED_AT], share) then return false end
  head[VERSION] = head[VERSION] + 1
  local others = #shares == 0 and '[' or string.sub(shares_text, 1, -2) .. ','
  set('s:' .. id, joined(head, others .. share_text .. ']'))
  return true
end
