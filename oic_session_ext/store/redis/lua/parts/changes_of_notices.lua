-- Changes of logout notices: retried, undeliverable, delivered or deferred.

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
