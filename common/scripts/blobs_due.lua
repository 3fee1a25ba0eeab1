-- Let files expire and name the blobs that nobody owns any more. ARGV: most blobs. Answers their keys.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. 'files_expiring', '-inf', now, 'LIMIT', 0, ARGV[1])) do
  if tonumber(redis.call('HGET', file_key(id), 'in_use') or '0') > 0 then
    redis.call('ZADD', root .. 'files_expiring', now + 60000, id)
  else
    doom_file(id)
  end
end
return redis.call('ZRANGE', root .. 'doomed_blobs', 0, tonumber(ARGV[1]) - 1)
