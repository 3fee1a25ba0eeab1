-- Keep a document's lease. ARGV: id, fencing token, lease_ttl_ms. Answers 1, or 0 if it passed on.
if not holds_document(ARGV[1], ARGV[2]) then return 0 end
redis.call('ZADD', root .. 'document_leases', now + tonumber(ARGV[3]), ARGV[1])
return 1
