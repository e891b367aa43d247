-- Dynamic clients, and the consents given to clients.

local function drop_origins(id)
  local record = get('l:' .. id)
  if not record then return end
  for _, origin in ipairs((split(record))) do
    place('lo:' .. origin, id, false)
  end
end

local function keep_client(id, origins_text, metadata)
  for _, origin in ipairs(cjson.decode(origins_text)) do
    place('lo:' .. origin, id, 0)
  end
  set('l:' .. id, origins_text .. '\n' .. metadata)
  place('la', id, 0)
end

function changes.PutClient()
  local id, origins_text, metadata = take(), take(), take()
  if get('l:' .. id) then return false end
  keep_client(id, origins_text, metadata)
  return true
end

function changes.UpdateClient()
  local id, origins_text, metadata = take(), take(), take()
  if not get('l:' .. id) then return false end
  drop_origins(id)
  keep_client(id, origins_text, metadata)
  return true
end

function changes.DeleteClient()
  local id = take()
  drop_origins(id)
  set('l:' .. id, false)
  place('la', id, false)
  clear('k:' .. id)
  return true
end

function changes.PutConsent()
  local client_id, uid, text = take(), take(), take()
  set_field('k:' .. client_id, uid, text)
  return true
end

function changes.DeleteConsent()
  local client_id, uid = take(), take()
  set_field('k:' .. client_id, uid, false)
  return true
end
