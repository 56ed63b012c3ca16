using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;

namespace Kedge.Linux.Firewall;

/// <summary>The machine's nftables, read by libnftables, where it is installed. What iptables of today (iptables-nft) sets up is in it.</summary>
public static class Nftables
{
    /// <summary>All tables, chains and rules of a namespace, as <c>nft -j list ruleset</c> prints them. Needs CAP_NET_ADMIN.</summary>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    /// <returns>JSON as libnftables-json(5) describes it; null where the library is not installed, or cannot read them.</returns>
    public static string? ListRuleset(NetworkNamespace? inside = null)
    {
        if (!NativeLibrary.TryLoad(Libnftables.Library, out _))
            return null;
        return inside is null ? Run("list ruleset") : inside.Run(() => Run("list ruleset"));
    }

    private static string? Run(string command)
    {
        nint context = Libnftables.nft_ctx_new(0);
        if (context == 0)
            return null;
        try
        {
            Libnftables.nft_ctx_output_set_flags(context, Libnftables.NFT_CTX_OUTPUT_JSON);
            if (Libnftables.nft_ctx_buffer_output(context) != 0 || Libnftables.nft_ctx_buffer_error(context) != 0)
                return null;
            return Libnftables.nft_run_cmd_from_buffer(context, command) == 0
                ? Marshal.PtrToStringUTF8(Libnftables.nft_ctx_get_output_buffer(context))
                : null;
        }
        finally
        {
            Libnftables.nft_ctx_free(context);
        }
    }
}
