-- list_waiting: what waits for a node in this cell, by language pair, from those that wait longest
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV limit int
-- RETURNS OK waiting looked_at pairs
-- INCLUDE lib/clock.lua

local rows = call('ZRANGE', prefix .. 'jobs:queued', 0, limit - 1, 'WITHSCORES')
local pairs_found, by_name = {}, {}
for n = 1, #rows, 2 do
  local job = call('HMGET', prefix .. 'job:' .. rows[n], 'source', 'language', 'requirement')
  if job[1] then
    local name = job[1] .. '\n' .. job[2] .. '\n' .. job[3]
    local pair = by_name[name]
    if not pair then -- the first of a pair is the one that has waited longest
      pair = { job[1], job[2], job[3], 0, int(math.max(0, now - tonumber(rows[n + 1]))) }
      by_name[name] = pair
      pairs_found[#pairs_found + 1] = pair
    end
    pair[4] = pair[4] + 1
  end
end
return { 'OK', call('ZCARD', prefix .. 'jobs:queued'), #rows / 2, pairs_found }
