-- Short-lived records.

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
