-- Grants and what finds them.

local GRANT = {OP_SESSION_ID = 4, CREATED_AT = 6, EXPIRES_AT = 7, IS_OFFLINE = 8, REFRESH_DIGEST = 9, VERSION = 10}
local GRANT_INDEXES = {['gc:'] = 1, ['gu:'] = 2, ['gs:'] = 3, ['go:'] = 4, ['gi:'] = 5}

-- Let the indexes find a grant by its new head in place of its old one; either may be nil.
local function index_grant(id, old, new)
  for prefix, at in pairs(GRANT_INDEXES) do
    local before, after = old and old[at], new and new[at]
    if before ~= after or old[GRANT.CREATED_AT] ~= new[GRANT.CREATED_AT] then
      if before and before ~= cjson.null then place(prefix .. before, id, false) end
      if after and after ~= cjson.null then place(prefix .. after, id, new[GRANT.CREATED_AT]) end
    end
  end
  place('ge', id, new and new[GRANT.EXPIRES_AT] or false)
end

local function drop_grant(id)
  local record = get('g:' .. id)
  if record then
    index_grant(id, (split(record)), nil)
    set('g:' .. id, false)
  end
end
