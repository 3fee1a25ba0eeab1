-- Hand a document back unread; it does not count as an attempt. ARGV: id, fencing token. Answers 1, or 0 if the lease passed on.
local id = ARGV[1]
if not holds_document(id, ARGV[2]) then return 0 end
redis.call('HINCRBY', document_key(id), 'attempt', -1)
redis.call('ZREM', root .. 'document_leases', id)
redis.call('ZADD', root .. 'documents_pending', 0, id)
move_document(id, 'pending')
return 1
