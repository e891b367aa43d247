-- Ends an OP session with its RP sessions and grants, and records its notices.

local function let_outlive(grant_id)
  local old, data = split(get('g:' .. grant_id))
  local new = {unpack(old)}
  new[GRANT.OP_SESSION_ID] = cjson.null
  new[GRANT.VERSION] = old[GRANT.VERSION] + 1
  index_grant(grant_id, old, new)
  set('g:' .. grant_id, joined(new, data))
end

function changes.EndOpSession()
  local id, version, keeps_offline, number_of_notices = take(), take_number(), take_number(), take_number()
  local record = get('s:' .. id)
  if not record then return false end
  local head, shares_text = split(record)
  if head[VERSION] ~= version then return false end
  for _, grant_id in ipairs(members('gk:' .. id, '+inf')) do
    if keeps_offline == 1 then
      let_outlive(grant_id)
    else
      drop_grant(grant_id)
    end
  end
  for _, grant_id in ipairs(members('go:' .. id, '+inf')) do -- the remaining grants; their records are not read
    place('go:' .. id, grant_id, false)
    set('g:' .. grant_id, false)
  end
  for _, share in ipairs(cjson.decode(shares_text)) do
    set('i:' .. share[SHARE.SID], false)
    place('sc:' .. share[SHARE.CLIENT_ID], id, false)
    place('ss:' .. share[SHARE.SUB], id, false)
  end
  set('s:' .. id, false)
  set('c:' .. head[COOKIE_DIGEST], false)
  place('su:' .. head[UID], id, false)
  place('sa', id, false)
  place('sd', id, false)
  for _ = 1, number_of_notices do
    local notice_id, notice_due_at, notice = take(), take_number(), take()
    if get('n:' .. notice_id) then return false end
    put_notice(notice_id, notice_due_at, notice)
  end
  return true
end
