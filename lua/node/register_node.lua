-- register_node: puts a node on-line under a fresh epoch; its open jobs and slots stay with it
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV node str
-- ARGV atoms str
-- ARGV max_jobs int
-- ARGV lease_ms int
-- ARGV known_epoch int
-- ARGV credential str
-- ARGV held int
-- ARGV error_limit int
-- ARGV suspect_ms int
-- ARGV info list
-- RETURNS OK epoch handovers is_held | SUPERSEDED owner epoch | TAKEN | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/unknown_node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua

if call('EXISTS', prefix .. 'inst:' .. instance) == 0 then
  return { 'FENCED' }
end

local key = prefix .. 'node:' .. node
local joined = load_node(node) or unknown_node(node)
local moves = joined.owner ~= '' and joined.owner ~= instance
-- Who registers it in its stead (a known epoch, not the node's own word) may be the last to hear
-- that the node is connected elsewhere by now.
if known_epoch > 0 and moves and joined.state ~= 'offline' and tonumber(joined.epoch) > known_epoch
then
  return { 'SUPERSEDED', joined.owner, joined.epoch }
end
-- The id of a node that is here or elsewhere belongs to the credential that registered it.
if joined.state ~= 'offline' and (call('HGET', key, 'credential') or '') ~= credential then
  return { 'TAKEN' }
end
if moves then
  call('SREM', prefix .. 'inst:' .. joined.owner .. ':nodes', node)
end
joined.owner = instance
joined.epoch = int(math.max(now, tonumber(joined.epoch) + 1))
-- An operator's drain holds until it is taken back, whoever registers the node meanwhile.
if joined.health == 'sick' and joined.state == 'offline' then
  joined.health = 'trial' -- it may be another program by now
end
local is_held = held == 1 or call('HGET', key, 'held') == '1'
joined.state = is_held and 'draining' or 'online'
joined.atoms = ' ' .. atoms .. ' '
joined.max = max_jobs
joined.overloaded = 0
joined.suspect = false

call('PERSIST', key)
call('PERSIST', joined.slots)
call('SADD', prefix .. 'inst:' .. instance .. ':nodes', node)
call('ZADD', prefix .. 'nodes', int(now + lease_ms), node)
call('HSET', key, 'error_limit', int(error_limit), 'suspect_ms', int(suspect_ms))
settle_node(joined)
call('HSET', key, 'registered_at', now_text, 'credential', credential, 'held', is_held and '1' or '0')
for i = 1, #info, 2 do
  call('HSET', key, 'info:' .. info[i], info[i + 1])
end
if moves then
  for _, open in ipairs(call('HVALS', joined.slots)) do
    for id in string.gmatch(open, '%S+') do
      local job = load_job(id)
      if job and not FINAL[job.state] then
        note(job.owner, 'node_moved', job, joined)
      end
    end
  end
end
serve(joined)
return { 'OK', joined.epoch, handed, is_held and 1 or 0 }
