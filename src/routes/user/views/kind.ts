/** What a file is, by its extension: a picture in the sprite and a word. */
import { extensionOf } from '../../../dht/kinds.ts'

export interface Look {
  /** A symbol of icons.svg. */
  readonly icon: string
  readonly word: string
}

const LOOKS: readonly (readonly [icon: string, word: string, extensions: string])[] = [
  ['doc', 'Document', 'pdf doc docx odt rtf tex epub pages html htm'],
  ['doc', 'Text', 'txt md log'],
  ['sheet', 'Spreadsheet', 'xls xlsx ods csv tsv numbers'],
  ['slides', 'Presentation', 'ppt pptx odp key'],
  ['image', 'Picture', 'jpg jpeg png gif webp avif heic tif tiff bmp svg raw cr2 nef psd xcf'],
  ['film', 'Video', 'mp4 m4v mkv mov avi webm mpg mpeg ogv wmv flv ts'],
  ['music', 'Music', 'mp3 flac ogg oga opus wav m4a aac wma aiff mid midi'],
  ['zip', 'Archive', 'zip gz tgz bz2 xz zst 7z rar tar'],
  ['disk', 'Disk image', 'iso img vhd vhdx qcow2 vmdk'],
]

const BY_EXTENSION = new Map<string, Look>(
  LOOKS.flatMap(([icon, word, extensions]) =>
    extensions.split(' ').map((extension): [string, Look] => [extension, { icon, word }]),
  ),
)

/** What a click would run, here or on some other system. */
const PROGRAMS = new Set(
  (
    'exe msi msp mst msc bat cmd com scr pif lnk url scf inf chm hlp ps1 psm1 vbs vbe js jse ws wsf wsc wsh hta reg cpl xll ' +
    'gadget application appref-ms library-ms settingcontent-ms jar jnlp sh bash zsh csh command terminal workflow scpt ' +
    'action app pkg dmg deb rpm apk appimage flatpakref snap desktop run py pyw pl rb'
  ).split(' '),
)

export const lookOf = (name: string): Look => BY_EXTENSION.get(extensionOf(name)) ?? { icon: 'file', word: 'File' }

/** Whatever stands after the last dot: what opens files looks no closer. */
export const isProgram = (name: string): boolean =>
  PROGRAMS.has((/\.([^./\\]*)$/.exec(name.trimEnd())?.[1] ?? '').toLowerCase())
