-- Time, numbers and lifetimes. Needs `now` (0: the server's clock).

local call = redis.call

local RECORD_TTL_S = 3600 -- jobs, requests, queues, notes

if now == 0 then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A number as an argument, without what is behind its point: the server would write a large one with
-- an exponent or lose digits. (`%.0f` takes 0.3 us more.)
local function int(number)
  return string.format('%d', number)
end

local now_text = int(now)
