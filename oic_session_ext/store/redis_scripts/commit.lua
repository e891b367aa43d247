-- Makes the changes in ARGV, in order, all or none; answers 0, or the number of the change whose condition does not hold.
-- A change is its name and the values that its function takes here, as redis_changes.py sends them.

local at = 0

local function take()
  at = at + 1
  return ARGV[at]
end

local function take_number()
  return tonumber(take())
end

local consents = {} -- key of a hash -> {is_cleared, uid -> text, or false for none}

local function consents_of(client_id)
  local key = 'k:' .. client_id
  if not consents[key] then consents[key] = {is_cleared = false, texts = {}} end
  return consents[key]
end

local function drop_origins(id)
  local record = get('l:' .. id)
  if not record then return end
  for _, origin in ipairs((split(record))) do
    place('lo:' .. origin, id, false)
  end
end

local function put_record(key, expires_at, payload)
  set('e:' .. key, expires_at .. '\n' .. payload)
  place('ee', key, tonumber(expires_at))
end

local function drop_record(key)
  set('e:' .. key, false)
  place('ee', key, false)
end

local function has_unexpired(key, now)
  local record = get('e:' .. key)
  return record and tonumber(string.match(record, '^[^\n]+')) > now
end

local changes = {}

-- --- OP sessions

-- A share's `sid` names the session from now on; false when it names another.
local function name_share(id, created_at, share)
  if get('i:' .. share[SHARE.SID]) then return false end
  set('i:' .. share[SHARE.SID], id)
  place('sc:' .. share[SHARE.CLIENT_ID], id, created_at)
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

function changes.EndOpSession()
  local id, version, number_of_notices = take(), take_number(), take_number()
  local record = get('s:' .. id)
  if not record then return false end
  local head, shares_text = split(record)
  if head[VERSION] ~= version then return false end
  for _, grant_id in ipairs(members('go:' .. id, '+inf')) do
    local grant, data = split(get('g:' .. grant_id))
    if grant[GRANT.IS_OFFLINE] and grant[GRANT.REFRESH_DIGEST] ~= cjson.null then
      grant[GRANT.OP_SESSION_ID] = cjson.null
      grant[GRANT.VERSION] = grant[GRANT.VERSION] + 1
      set('g:' .. grant_id, joined(grant, data))
      place('go:' .. id, grant_id, false)
    else
      drop_grant(grant_id)
    end
  end
  for _, share in ipairs(cjson.decode(shares_text)) do
    set('i:' .. share[SHARE.SID], false)
    place('sc:' .. share[SHARE.CLIENT_ID], id, false)
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

-- --- grants

local function has_its_op_session(head)
  return head[GRANT.OP_SESSION_ID] == cjson.null or get('s:' .. head[GRANT.OP_SESSION_ID])
end

function changes.PutGrant()
  local id, head_text, data = take(), take(), take()
  local head = cjson.decode(head_text)
  if get('g:' .. id) or not has_its_op_session(head) then return false end
  index_grant(id, nil, head)
  set('g:' .. id, head_text .. '\n' .. data)
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

-- --- clients and consents

function changes.PutClient()
  local id, origins_text, metadata = take(), take(), take()
  drop_origins(id)
  for _, origin in ipairs(cjson.decode(origins_text)) do
    place('lo:' .. origin, id, 0)
  end
  set('l:' .. id, origins_text .. '\n' .. metadata)
  place('la', id, 0)
  return true
end

function changes.DeleteClient()
  local id = take()
  drop_origins(id)
  set('l:' .. id, false)
  place('la', id, false)
  consents['k:' .. id] = {is_cleared = true, texts = {}}
  return true
end

function changes.PutConsent()
  local client_id, uid, text = take(), take(), take()
  consents_of(client_id).texts[uid] = text
  return true
end

function changes.DeleteConsent()
  local client_id, uid = take(), take()
  consents_of(client_id).texts[uid] = false
  return true
end

-- --- short-lived records and facts

function changes.PutEphemeral()
  put_record(take(), take(), take())
  return true
end

function changes.ClaimEphemeral()
  local key, expires_at, payload, now = take(), take(), take(), take_number()
  if has_unexpired(key, now) then return false end
  put_record(key, expires_at, payload)
  return true
end

function changes.TakeEphemeral()
  local key, now = take(), take_number()
  if not has_unexpired(key, now) then return false end
  drop_record(key)
  return true
end

function changes.DeleteEphemeral()
  drop_record(take())
  return true
end

function changes.ClaimFact()
  local name, value = take(), take()
  local known = get('f:' .. name)
  if known and known ~= value then return false end
  set('f:' .. name, value)
  return true
end

-- --- notices

function changes.PutNotice()
  local id, notice_due_at, notice = take(), take_number(), take()
  if not get('n:' .. id) then return false end
  put_notice(id, notice_due_at, notice)
  return true
end

function changes.DeleteNotice()
  drop_notice(take())
  return true
end

function changes.DeferNotices()
  local client_id, until_ = take(), take_number()
  for _, member in ipairs(members('np:' .. client_id, until_ - 1)) do
    place('np', member, until_)
    place('np:' .. client_id, member, until_)
  end
  return true
end

local number = 0
while at < #ARGV do
  number = number + 1
  if not changes[take()]() then return number end
end

flush()
for key, changed in pairs(consents) do
  if changed.is_cleared then redis.call('UNLINK', PREFIX .. key) end
  for uid, text in pairs(changed.texts) do
    if text then
      redis.call('HSET', PREFIX .. key, uid, text)
    else
      redis.call('HDEL', PREFIX .. key, uid)
    end
  end
end
return 0
