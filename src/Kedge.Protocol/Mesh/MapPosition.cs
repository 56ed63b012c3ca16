namespace Kedge.Protocol.Mesh;

/// <summary>
/// How far a map is: what a node asks the controller to go on from. The default value is the beginning, which only a snapshot follows.
/// </summary>
/// <param name="Store">Names the store whose revisions are counted. One that was restored from a backup has another name.</param>
/// <param name="Revision">The last revision that the map holds; 0 for none.</param>
/// <param name="Epoch">
/// Names the sequence in which the controller counts what it sends, endpoints included; it is kept in memory only, and another one begins
/// when the controller starts.
/// </param>
/// <param name="Sequence">The last number of that sequence that the map holds.</param>
public readonly record struct MapPosition(Guid Store, long Revision, Guid Epoch, long Sequence);
