/** Kinds of file, told by the extension alone; for icons, words and the catalogue's filter. */

export const KINDS = ['document', 'picture', 'video', 'music', 'other'] as const
export type Kind = (typeof KINDS)[number]

const EXTENSIONS: Readonly<Record<Exclude<Kind, 'other'>, string>> = {
  document: 'pdf doc docx odt rtf txt md tex epub xls xlsx ods csv tsv ppt pptx odp key pages numbers html htm',
  picture: 'jpg jpeg png gif webp avif heic tif tiff bmp svg raw cr2 nef psd xcf',
  video: 'mp4 m4v mkv mov avi webm mpg mpeg ogv wmv flv ts',
  music: 'mp3 flac ogg oga opus wav m4a aac wma aiff mid midi',
}

const BY_EXTENSION = new Map<string, Kind>(
  KINDS.flatMap((kind) =>
    kind === 'other' ? [] : EXTENSIONS[kind].split(' ').map((extension): [string, Kind] => [extension, kind]),
  ),
)

/** The extension without its dot, lower case; empty when there is none. */
export const extensionOf = (name: string): string => /[^/.]\.([^./\s]{1,12})$/.exec(name)?.[1]?.toLowerCase() ?? ''

export const kindOf = (name: string): Kind => BY_EXTENSION.get(extensionOf(name)) ?? 'other'
