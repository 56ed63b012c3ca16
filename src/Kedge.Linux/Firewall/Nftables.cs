using System.Runtime.InteropServices;
using Kedge.Linux.Namespaces;

namespace Kedge.Linux.Firewall;

/// <summary>The machine's nftables, read by libnftables, where it is installed. What iptables of today (iptables-nft) sets up is in it.</summary>
public static partial class Nftables
{
    private const string Library = "libnftables.so.1";
    private const uint OutputJson = 1 << 4; // NFT_CTX_OUTPUT_JSON

    /// <summary>All tables, chains and rules of a namespace, as <c>nft -j list ruleset</c> prints them. Needs CAP_NET_ADMIN.</summary>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    /// <returns>JSON as libnftables-json(5) describes it; null where the library is not installed, or cannot read them.</returns>
    public static string? ListRuleset(NetworkNamespace? inside = null)
    {
        if (!NativeLibrary.TryLoad(Library, out _))
            return null;
        return inside is null ? Run("list ruleset") : inside.Run(() => Run("list ruleset"));
    }

    private static string? Run(string command)
    {
        nint context = nft_ctx_new(0);
        if (context == 0)
            return null;
        try
        {
            nft_ctx_output_set_flags(context, OutputJson);
            if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0)
                return null;
            return nft_run_cmd_from_buffer(context, command) == 0 ? Marshal.PtrToStringUTF8(nft_ctx_get_output_buffer(context)) : null;
        }
        finally
        {
            nft_ctx_free(context);
        }
    }

    [LibraryImport(Library)]
    private static partial nint nft_ctx_new(uint flags);

    [LibraryImport(Library)]
    private static partial void nft_ctx_free(nint context);

    [LibraryImport(Library)]
    private static partial void nft_ctx_output_set_flags(nint context, uint flags);

    [LibraryImport(Library)]
    private static partial int nft_ctx_buffer_output(nint context);

    [LibraryImport(Library)]
    private static partial int nft_ctx_buffer_error(nint context);

    [LibraryImport(Library)]
    private static partial nint nft_ctx_get_output_buffer(nint context);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int nft_run_cmd_from_buffer(nint context, string command);
}
