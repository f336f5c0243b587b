/** The least that answers: `node bare.ts PORT BODY`, for comparison. */
import { createServer } from 'node:http'

const body = Buffer.from(process.argv[3] ?? '')

createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length })
  response.end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
