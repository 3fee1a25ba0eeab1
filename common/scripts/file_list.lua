-- One page of a caller's files. ARGV: caller, purpose or '', id to start after or '', most files, 'asc' or 'desc'.
local index, files, after = root .. 'files:' .. ARGV[1], {}, ARGV[3]
while #files < tonumber(ARGV[4]) do
  local ids
  if ARGV[5] == 'asc' then
    ids = redis.call('ZRANGEBYLEX', index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, 100)
  else
    ids = redis.call('ZREVRANGEBYLEX', index, after == '' and '+' or '(' .. after, '-', 'LIMIT', 0, 100)
  end
  if #ids == 0 then return files end
  for _, id in ipairs(ids) do
    local purpose = redis.call('HGET', file_key(id), 'purpose')
    if #files < tonumber(ARGV[4]) and (ARGV[2] == '' or purpose == ARGV[2]) then
      files[#files + 1] = redis.call('HGETALL', file_key(id))
    end
    after = id
  end
end
return files
