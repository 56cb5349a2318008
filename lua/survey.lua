-- survey: how many slots this cell could give to jobs with this requirement now, about
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV requirement str
-- RETURNS OK free_slots
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/choice.lua

local MAX_NODES_COUNTED = 4 -- of each group; of the others it is enough to know that they are there

local groups, free = intersect(group_sets(requirement, true)), 0
for i = 1, math.min(#groups, MAX_GROUPS_COMPARED) do
  local group = prefix .. 'grp:' .. groups[i]
  if call('SISMEMBER', group .. ':penalties', requirement) == 0 then
    free = free + math.max(0, call('ZCARD', group .. ':free') - MAX_NODES_COUNTED)
    for _, id in ipairs(call('ZRANGE', group .. ':free', 0, MAX_NODES_COUNTED - 1)) do
      local node = load_node(id)
      free = free + (node and math.max(0, node.max - used_slots(node)) or 0)
    end
  end
end
return { 'OK', free }
