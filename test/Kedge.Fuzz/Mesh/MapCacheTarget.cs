using System.Security.Cryptography;
using System.Text;
using Kedge.Protocol.Mesh;

namespace Kedge.Fuzz.Mesh;

/// <summary>
/// A kept map with any contents: the input is what stands behind the checksum, which is made to fit, so that the search gets past it.
/// </summary>
public sealed class MapCacheTarget : Target
{
    private static readonly byte[] Network = new byte[32];

    public override string Name => "map-cache";

    public override int MaximumLength => 1000;

    public override int ShortRun => 4_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            """{"network":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","node":"00000000-0000-0000-0000-000000000000","savedAt":"2026-01-02T03:04:05Z"}""" + "\n",
            """{"type":"open","store":"00000000-0000-0000-0000-000000000001","epoch":"00000000-0000-0000-0000-000000000002","time":"2026-01-02T03:04:05+00:00"}""" + "\n",
            """{"type":"snapshot"}""" + "\n",
            """{"type":"put","resource":"peer/00000000-0000-0000-0000-000000000003","value":{"certificate":"AAAA"}}""" + "\n",
            """{"type":"commit","revision":2,"sequence":1,"count":1}""" + "\n",
            "null", "\n", "\"network\":null",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        byte[] file = [.. Encoding.ASCII.GetBytes($"kedge-map 1 {Convert.ToHexStringLower(SHA256.HashData(input))}\n"), .. input];
        NetworkMap? map = MapCache.Read(file, Network, default, out string reason);
        trace.Note(map is null ? 1 : 2, reason.Length);
        Invariant.Holds(map is null == reason.Length > 0, "a refusal has a reason");
        if (map is not null)
            Invariant.Holds(map.Position.Revision > 0, "a map that was read has a revision");
        Invariant.Holds(MapCache.Read(input, Network, default, out _) is null || input.StartsWith("kedge-map 1 "u8), "a map begins with its format");
    }
}
