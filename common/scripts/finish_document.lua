-- Write what became of a document. ARGV: id, fencing token, status, JSON of fields to set. Answers 1, or 0 if the lease passed on.
local id, token, status = ARGV[1], ARGV[2], ARGV[3]
if not holds_document(id, token) then
  -- The same write again, after its reply was lost, is no conflict.
  local state = redis.call('HMGET', document_key(id), 'status', 'fencing_token')
  return (state[1] == status and state[2] == token) and 1 or 0
end
for name, value in pairs(cjson.decode(ARGV[4])) do redis.call('HSET', document_key(id), name, value) end
redis.call('ZREM', root .. 'document_leases', id)
move_document(id, status)
return 1
