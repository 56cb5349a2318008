-- restore_job: puts an active job back after the store lost its data
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV request str
-- ARGV session str
-- ARGV session_epoch str
-- ARGV session_state str
-- ARGV cut int
-- ARGV index str
-- ARGV language str
-- ARGV source str
-- ARGV requirement str
-- ARGV preference str
-- ARGV turn str
-- ARGV part str
-- ARGV continues str
-- ARGV tenant str
-- ARGV weight int
-- ARGV slots_cap int
-- ARGV trace str
-- ARGV cost_ms int
-- ARGV deadline_ms int
-- ARGV attempt int
-- ARGV node str
-- ARGV state str
-- ARGV excluded str
-- ARGV pending_ms int
-- ARGV job_ms int
-- ARGV turn_wait_ms int
-- ARGV returns int
-- RETURNS RESTORED
-- RETURNS ASSIGNED job attempt node instance epoch due_ms turned handovers
-- RETURNS QUEUED job attempt position wait_ms due_ms handovers
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS LENT cell | MOVED | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/unknown_node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/record.lua
-- INCLUDE lib/create.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/turn.lua
-- INCLUDE lib/place.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/reclaim.lua

local reply = claim_request(returns == 1)
if reply then
  return reply
end
if returns == 1 then -- what was lent from here comes back
  take_back()
end
local new = new_job(attempt)
new.excluded = excluded
if node == '' then
  local place = find_place(new)
  if not place and make_room(new, excluded) then
    place = find_place(new)
  end
  return place and create_assigned(new, place) or create_queued(new)
end

-- It stands where it stood, even when that exceeds the capacity or the node is not back yet.
create_assigned(new, load_node(node) or unknown_node(node), true)
if state == 'running' then
  call('HSET', prefix .. 'job:' .. job, 'state', state, 'running_at', now_text)
  index_state(job, 'assigned', state)
end
return { 'RESTORED' }
