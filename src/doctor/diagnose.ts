/** From what was found to what it means and what to do. Pure: the same facts, the same words. */
import { partsOf } from '../protocol/addresses.ts'
import type { Diagnosis, Facts, Look } from './facts.ts'
import { sameNetwork } from './subnet.ts'

/** Clocks that differ by more make times on the pages a riddle, and a restart may look older than what was before it. */
const CLOCK_MS = 5 * 60_000
/** Asked so often without hearing anybody: then it is no accident. */
const SENT_ENOUGH = 2
const VPN = /^(tun|tap|wg|ppp|utun|ipsec|tailscale|zt|nordlynx|proton)/i

/** The worst first. */
export const diagnose = (facts: Facts): readonly Diagnosis[] => {
  const found = facts.on
    ? [
        ...listening(facts),
        ...reversed(facts),
        ...multicast(facts),
        ...facts.looks.flatMap((look) => looked(look, facts)),
        ...blocked(facts),
        ...vpn(facts),
        ...here(facts),
      ]
    : [off(facts), ...facts.looks.flatMap((look) => looked(look, facts))]
  const rank = { no: 0, care: 1, ok: 2 }
  return found.toSorted((a, b) => rank[a.level] - rank[b.level])
}

const off = ({ here: count }: Facts): Diagnosis => ({
  level: 'no',
  code: 'lan-off',
  title: 'This computer has not joined the network',
  text: `Join it on the page On your network, or start with --lan${count > 0 ? '; until then it sees others, and they do not see it' : ''}. The other computer has to do the same.`,
})

const listening = ({ interfaces, addresses, failed, port }: Facts): readonly Diagnosis[] => {
  if (interfaces.length === 0)
    return [
      {
        level: 'no',
        code: 'no-network',
        title: 'This computer is on no network',
        text: 'Plug in the cable, or choose the wireless network. The rest happens by itself.',
      },
    ]
  const lost = failed.map(
    ({ address, code }): Diagnosis => ({
      level: 'no',
      code: 'cannot-listen',
      title: `It cannot listen at ${address}`,
      text:
        code === 'EADDRINUSE'
          ? `Another program has port ${port} there. Stop that one, or put another port first into ports.txt and start again.`
          : `The system says ${code}. It is tried again every two seconds.`,
    }),
  )
  if (addresses.length === 0) return lost
  return [...lost, { level: 'ok', code: 'listening', title: `It listens at ${addresses.join(', ')}`, text: '' }]
}

const reversed = ({ reverse, port, platform }: Facts): readonly Diagnosis[] => {
  const said = reverse.filter(({ reached }) => reached !== undefined)
  const blocked = said.filter(({ reached }) => reached === false)
  if (said.length === 0) return []
  if (blocked.length === 0)
    return [
      {
        level: 'ok',
        code: 'reachable',
        title: `${said.map(({ name }) => name).join(', ')} can reach this computer`,
        text: '',
      },
    ]
  const how: Readonly<Record<string, string>> = {
    darwin: 'Open System Settings, Network, Firewall, Options, and allow incoming connections for node.',
    win32: 'Allow node.exe in Windows Defender Firewall, for private networks.',
  }
  return [
    {
      level: 'no',
      code: 'firewall',
      title: `${blocked.map(({ name }) => name).join(', ')} cannot reach this computer`,
      text: `A firewall here keeps others out. ${how[platform] ?? `Allow TCP port ${port} and UDP port 5353, for example: sudo ufw allow ${port}/tcp; sudo ufw allow 5353/udp.`}`,
    },
  ]
}

const multicast = ({ multicast: links, here: count, platform }: Facts): readonly Diagnosis[] => {
  const at = (some: typeof links): string => some.map(({ address }) => address).join(' and ')
  const failed = links.filter(({ error }) => error !== undefined)
  const well = links.filter(({ error, heard }) => error === undefined && heard > 0)
  const silent = links.filter(({ error, heard, sent }) => error === undefined && heard === 0 && sent >= SENT_ENOUGH)
  const found: Diagnosis[] = failed.map(({ address, error }) => ({
    level: 'care',
    code: 'multicast-error',
    title: `Nothing can be announced at ${address}`,
    text: `The system says ${error}. Type the address of one other computer on the page On your network; it knows the others.`,
  }))
  if (well.length > 0)
    found.push({ level: 'ok', code: 'multicast', title: `Others are heard at ${at(well)}`, text: '' })
  // A network of IPv4 alone is no trouble, nor is one of two that nobody uses.
  if (silent.length === 0 || well.length > 0) return found
  const mac =
    platform === 'darwin'
      ? ' On a Mac, allow your terminal under System Settings, Privacy & Security, Local Network.'
      : ''
  found.push({
    level: count > 0 ? 'care' : 'no',
    code: 'multicast-silent',
    title: `Nobody is heard at ${at(silent)}`,
    text: `Either nobody else runs portmesh there, or the network does not let computers hear each other: guest networks and some access points do so (“client isolation”), and firewalls that close UDP port 5353.${mac} Type the address of one other computer on the page On your network; if that does not answer either, the network keeps them apart.`,
  })
  return found
}

const looked = (look: Look, { interfaces, port }: Facts): readonly Diagnosis[] => {
  const { address, came, name, clockAheadMs = 0 } = look
  const who = name === undefined ? address : `${name} (${address})`
  const { host, port: theirs } = partsOf(address)
  const far = interfaces.length > 0 && !interfaces.some((own) => sameNetwork(own, host))
  const here: Diagnosis = { level: 'ok', code: 'node', title: `${who} is here`, text: '' }
  switch (came) {
    case 'node':
      return Math.abs(clockAheadMs) > CLOCK_MS ? [here, clock(who, clockAheadMs)] : [here]
    case 'refused':
      return [
        {
          level: 'no',
          code: 'refused',
          title: `${who} is switched on, but no portmesh listens there`,
          text: `Start portmesh there and join the network (--lan). If it runs, its port may be another one than ${theirs}: its page On your network shows it.`,
        },
      ]
    case 'silent':
    case 'unreachable':
      return [
        {
          level: 'no',
          code: far ? 'other-network' : came,
          title: far ? `${who} is on another network than this computer` : `Nothing comes back from ${who}`,
          text: far
            ? `This computer has ${interfaces.map((own) => own.address).join(', ')}. Bring both into the same network: the same wireless network, not its guest network, and no VPN in between.`
            : `It is switched off or asleep, or its address is another one (its page On your network shows it), or a firewall there closes port ${theirs}, or the network keeps its computers apart (guest networks do).`,
        },
      ]
    case 'name':
      return [
        {
          level: 'no',
          code: 'name',
          title: `Nobody here knows the name ${host}`,
          text: `Type the number instead, like 192.168.1.20:${port}: the other computer shows it on its page On your network.`,
        },
      ]
    case 'other':
      return [
        {
          level: 'no',
          code: 'other-program',
          title: `Something else than portmesh answers at ${address}`,
          text: 'Another program has that port. The page On your network of the other computer shows the right one.',
        },
      ]
    case 'version':
      return [
        {
          level: 'no',
          code: 'other-version',
          title: `${who} runs another version of portmesh`,
          text: 'Bring both to the same version.',
        },
      ]
    case 'handshake':
      return [
        {
          level: 'no',
          code: 'handshake',
          title: `${who} answers, but no secure connection came about`,
          text: 'It may have blocked this computer, or something in between changes what is sent. Its log tells more.',
        },
      ]
  }
}

const clock = (who: string, aheadMs: number): Diagnosis => ({
  level: 'care',
  code: 'clock',
  title: `The clock of ${who} is ${Math.round(Math.abs(aheadMs) / 60_000)} minutes ${aheadMs > 0 ? 'ahead' : 'behind'}`,
  text: 'Set both clocks by the network: the times on the pages are wrong otherwise.',
})

const blocked = ({ blocked: all }: Facts): readonly Diagnosis[] =>
  all.map(({ name }) => ({
    level: 'care',
    code: 'blocked',
    title: `You blocked ${name}`,
    text: 'So nothing of it is shown, and it gets nothing from here. Unblock it on the page Nodes.',
  }))

const vpn = ({ interfaces }: Facts): readonly Diagnosis[] => {
  const names = [...new Set(interfaces.flatMap(({ name }) => (VPN.test(name) ? [name] : [])))]
  if (names.length === 0) return []
  return [
    {
      level: 'care',
      code: 'vpn',
      title: `A VPN is on (${names.join(', ')})`,
      text: 'Some send everything through the VPN, and computers next to this one are not reached. If somebody is missing, try without it.',
    },
  ]
}

const here = ({ here: count }: Facts): readonly Diagnosis[] =>
  count > 0
    ? [
        {
          level: 'ok',
          code: 'others',
          title: `${count} other ${count === 1 ? 'computer' : 'computers'} of this network ${count === 1 ? 'is' : 'are'} here`,
          text: '',
        },
      ]
    : []
