-- list_slots: says which jobs hold a node's slots; what else the node works on was given up
-- KEYS prefix
-- ARGV instance str
-- ARGV node str
-- ARGV epoch str
-- RETURNS OK jobs | FENCED

if redis.call('HGET', prefix .. 'node:' .. node, 'epoch') ~= epoch then
  return { 'FENCED' }
end
return { 'OK', redis.call('HVALS', prefix .. 'node:' .. node .. ':slots') }
