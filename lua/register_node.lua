-- register_node: puts a node on-line under a fresh epoch; its open jobs and slots stay with it
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV node str
-- ARGV atoms str
-- ARGV max_jobs int
-- ARGV lease_ms int
-- ARGV info list
-- RETURNS OK epoch handovers | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/handover.lua

if redis.call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end

local key = prefix .. 'node:' .. node
local joined = load_node(node) or unknown_node(node)
if joined.owner ~= '' and joined.owner ~= instance then
  redis.call('SREM', prefix .. 'inst:' .. joined.owner .. ':nodes', node)
end
joined.owner = instance
joined.epoch = int(math.max(now, tonumber(joined.epoch) + 1))
joined.state = 'online'
joined.atoms = ' ' .. atoms .. ' '
joined.max = max_jobs
joined.overloaded = 0
joined.suspect = false

redis.call('HSET', key, 'owner', instance, 'epoch', joined.epoch, 'registered_at', int(now))
for i = 1, #info, 2 do
  redis.call('HSET', key, 'info:' .. info[i], info[i + 1])
end
redis.call('PERSIST', key)
redis.call('PERSIST', joined.slots)
redis.call('SADD', prefix .. 'inst:' .. instance .. ':nodes', node)
redis.call('ZADD', prefix .. 'nodes', int(now + lease_ms), node)
settle_node(joined)
serve(joined)
return { 'OK', joined.epoch, handed }
