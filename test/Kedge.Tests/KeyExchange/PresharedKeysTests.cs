using System.Text;
using Kedge.Node.KeyExchange;
using WireGuardKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Tests.KeyExchange;

/// <summary>What wg(8) prints about preshared keys: lines of a public key, a tab, and a key or <c>(none)</c>.</summary>
public class PresharedKeysTests
{
    private const string First = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", Second = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";
    private const string Absent = "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=", Key = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

    [Theory]
    [InlineData(First, Key)]
    [InlineData(Second, "(none)")]
    [InlineData(Absent, "")]
    public void A_peers_key_is_found(string peer, string expected)
    {
        byte[] shown = Encoding.ASCII.GetBytes($"{First}\t{Key}\n{Second}\t(none)\n");
        Assert.Equal(expected, Encoding.ASCII.GetString(PresharedKeys.Find(shown, WireGuardKey.Parse(peer))));
    }

    [Fact]
    public void A_device_without_peers_has_no_key() => Assert.True(PresharedKeys.Find([], WireGuardKey.Parse(First)).IsEmpty);
}
