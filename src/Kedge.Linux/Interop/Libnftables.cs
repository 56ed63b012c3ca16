using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>libnftables as its manual page, libnftables(3), declares it. It may be absent.</summary>
internal static partial class Libnftables
{
    internal const string Library = "libnftables.so.1";
    internal const uint NFT_CTX_OUTPUT_JSON = 1 << 4;

    [LibraryImport(Library)]
    internal static partial nint nft_ctx_new(uint flags);

    [LibraryImport(Library)]
    internal static partial void nft_ctx_free(nint context);

    [LibraryImport(Library)]
    internal static partial void nft_ctx_output_set_flags(nint context, uint flags);

    [LibraryImport(Library)]
    internal static partial int nft_ctx_buffer_output(nint context);

    [LibraryImport(Library)]
    internal static partial int nft_ctx_buffer_error(nint context);

    [LibraryImport(Library)]
    internal static partial nint nft_ctx_get_output_buffer(nint context);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int nft_run_cmd_from_buffer(nint context, string command);
}
